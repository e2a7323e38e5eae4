package ship

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
)

// BuildError is a program that the go command did not build.
type BuildError struct {
	Package  string
	Platform string // os/arch
	Output   string // what go printed
	Err      error
}

func (e *BuildError) Error() string {
	return fmt.Sprintf("ship: building %s for %s: %v; give a binary with -binary %s=PATH\n%s", e.Package, e.Platform, e.Err, e.Platform, strings.TrimSpace(e.Output))
}

// Unwrap returns the cause.
func (e *BuildError) Unwrap() error { return e.Err }

// CrossBuild builds a main package for another system into the folder outDir and returns the binary's path. pkg is an import path or a folder as go build takes it from the current folder; empty means the package that the
// running program was built from, with its build tags. The binary is static (CGO_ENABLED=0). Where there is no go command or no source the error is [ErrNoSource]; a build that fails is a [*BuildError].
func CrossBuild(ctx context.Context, goos, goarch, pkg, outDir string) (string, error) {
	platform := goos + "/" + goarch
	tool, err := exec.LookPath("go")
	if err != nil {
		return "", fmt.Errorf("%w: %w; give a binary with -binary %s=PATH", ErrNoSource, err, platform)
	}
	args := []string{"build"}
	if pkg == "" {
		info, ok := debug.ReadBuildInfo()
		if !ok || info.Path == "" || info.Path == "command-line-arguments" {
			return "", fmt.Errorf("%w: the program does not say which package it was built from; give a binary with -binary %s=PATH", ErrNoSource, platform)
		}
		pkg = info.Path
		for _, s := range info.Settings {
			if s.Key == "-tags" {
				args = append(args, "-tags="+s.Value)
			}
		}
	}
	env := append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0")
	list := exec.CommandContext(ctx, tool, "list", "-f", "{{.Name}} {{.ImportPath}}", "--", pkg)
	list.Env = env
	found, err := list.Output()
	if ctx.Err() != nil {
		return "", fmt.Errorf("ship: building %s: %w", pkg, context.Cause(ctx))
	}
	name, importPath, _ := strings.Cut(strings.TrimSpace(string(found)), " ")
	if err != nil || name != "main" {
		return "", fmt.Errorf("%w: %s is not a program that go finds from the current folder; start there, or give a binary with -binary %s=PATH", ErrNoSource, pkg, platform)
	}
	out := filepath.Join(outDir, filepath.Base(importPath)+"-"+goos+"-"+goarch)
	build := exec.CommandContext(ctx, tool, append(args, "-o", out, "--", pkg)...)
	build.Env = env
	text, err := build.CombinedOutput()
	switch {
	case ctx.Err() != nil:
		err = fmt.Errorf("ship: building %s: %w", pkg, context.Cause(ctx))
	case err != nil:
		err = &BuildError{Package: pkg, Platform: platform, Output: string(text), Err: err}
	default:
		return out, nil
	}
	return "", errors.Join(err, removeIfThere(out))
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("ship: %w", err)
	}
	return nil
}
