package ship

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func openBinary(t *testing.T, path string) *Binary {
	t.Helper()
	b, err := OpenBinary(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

func TestOpenBinary(t *testing.T) {
	b := openBinary(t, hello)
	require.Empty(t, b.Interp)
	require.Empty(t, b.Libs)
	require.Len(t, b.SHA256, 64)
	for _, platform := range []string{"linux/arm64", "windows/amd64"} {
		goos, goarch, _ := strings.Cut(platform, "/")
		path, err := CrossBuild(t.Context(), goos, goarch, "./testdata/hello", t.TempDir())
		require.NoError(t, err)
		require.Equal(t, platform, openBinary(t, path).Platform())
	}
	for name, text := range map[string]string{"empty": "", "script": "#!/bin/sh\necho\n", "broken": "\x7fELF and then nothing", "pe": "MZ"} {
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o700))
		_, err := OpenBinary(path)
		require.ErrorIs(t, err, ErrNotExecutable, name)
	}
	_, err := OpenBinary(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestCrossBuildWithoutSource(t *testing.T) {
	_, err := CrossBuild(t.Context(), "linux", "arm64", "./no/such/folder", t.TempDir())
	require.ErrorIs(t, err, ErrNoSource)
	_, err = CrossBuild(t.Context(), "linux", "arm64", ".", t.TempDir())
	require.ErrorIs(t, err, ErrNoSource, "a library is no program")
	_, err = CrossBuild(t.Context(), "linux", "vax", "./testdata/hello", t.TempDir())
	require.Error(t, err)
}

func TestCksumAgainstTheUtility(t *testing.T) {
	for _, text := range []string{"", "a", "hello\n", strings.Repeat("0123456789", 100_000)} {
		cmd := exec.Command("cksum")
		cmd.Stdin = strings.NewReader(text)
		want, err := cmd.Output()
		require.NoError(t, err)
		var c cksum
		_, err = c.Write([]byte(text))
		require.NoError(t, err)
		require.Equal(t, strings.TrimSpace(string(want)), c.String())
	}
}

func TestGoarch(t *testing.T) {
	for uname, want := range map[string]string{"x86_64": "amd64", "aarch64": "arm64", "i686": "386", "armv7l": "arm", "loongarch64": "loong64", "riscv64": "riscv64", "s390x": "s390x"} {
		require.Equal(t, want, goarch(uname))
	}
}
