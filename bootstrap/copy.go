package bootstrap

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tartrl/tlaunch-go/bootstrap/ship"
)

// copyDirs copies folders into dir under their names, without what is not shipped over SSH either.
func copyDirs(ctx context.Context, dirs map[string]*ship.Dir, dir string) error {
	for name, d := range dirs {
		if err := copyDir(ctx, d.Path, filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("ship %s: %w", d.Path, err)
		}
	}
	return nil
}

func copyDir(ctx context.Context, from, to string) error {
	ignore, err := ship.ReadIgnore(filepath.Join(from, ".tlaunchignore"))
	if err != nil {
		return err
	}
	return filepath.WalkDir(from, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		rel, err := filepath.Rel(from, file)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case rel == ".":
			return os.MkdirAll(target, 0o700)
		case ignore.Match(filepath.ToSlash(rel), entry.IsDir()):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case entry.IsDir():
			return os.Mkdir(target, 0o755)
		case entry.Type()&fs.ModeSymlink != 0:
			link, err := os.Readlink(file)
			if err != nil {
				return err
			}
			return os.Symlink(link, target)
		}
		return copyFile(file, target)
	})
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	if info.Mode()&0o111 != 0 {
		mode = 0o755
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close()
		return err
	}
	return out.Close()
}
