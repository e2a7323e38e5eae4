package ship

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// Dir is a folder packed to be sent to hosts, by several goroutines at once. It is held in memory.
type Dir struct {
	Path   string
	Files  int    // files and links in it
	Size   int64  // bytes of the archive
	SHA256 string // of the archive, in hexadecimal; it depends on names, contents and who may execute, not on times and owners

	blob *blob
}

// OpenDir packs a folder. Left out are .git, .venv, .tlaunchignore and what the latter says (see [Ignore]). Links are kept when they lead to a place inside the folder by a relative path; other links, and what is
// neither file, folder nor link, are errors, all of them reported together.
func OpenDir(dir string) (*Dir, error) {
	ignore, err := ReadIgnore(filepath.Join(dir, ".tlaunchignore"))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	p := packer{root: dir, ignore: ignore, tar: tar.NewWriter(&out)}
	if err := filepath.WalkDir(dir, p.add); err != nil {
		return nil, fmt.Errorf("ship: %w", err)
	}
	if len(p.errs) > 0 {
		return nil, errors.Join(p.errs...)
	}
	if err := p.tar.Close(); err != nil {
		return nil, fmt.Errorf("ship: %w", err)
	}
	b, err := newBlob(func() io.Reader { return bytes.NewReader(out.Bytes()) })
	if err != nil {
		return nil, fmt.Errorf("ship: %w", err)
	}
	return &Dir{Path: dir, Files: p.files, Size: b.size, SHA256: b.sha256, blob: b}, nil
}

// packer writes the archive of one folder.
type packer struct {
	root   string
	ignore *Ignore
	tar    *tar.Writer
	files  int
	errs   []error
}

// epoch is the time of every entry, so that the same content has the same hash. Not 1970: tar warns of that.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func (p *packer) add(file string, entry fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(p.root, file)
	if err != nil || rel == "." {
		return err
	}
	name := filepath.ToSlash(rel)
	if p.ignore.Match(name, entry.IsDir()) {
		if entry.IsDir() {
			return fs.SkipDir
		}
		return nil
	}
	info, err := entry.Info()
	if err != nil {
		return err
	}
	h := &tar.Header{Name: name, ModTime: epoch, Mode: 0o644, Format: tar.FormatPAX}
	if info.Mode()&0o111 != 0 {
		h.Mode = 0o755
	}
	switch {
	case info.IsDir():
		h.Typeflag, h.Name = tar.TypeDir, name+"/"
		return p.tar.WriteHeader(h)
	case info.Mode().IsRegular():
		h.Typeflag, h.Size = tar.TypeReg, info.Size()
		p.files++
		return p.copy(h, file)
	case info.Mode()&fs.ModeSymlink != 0:
		to, err := os.Readlink(file)
		if err != nil {
			return err
		}
		to = filepath.ToSlash(to)
		if inside := path.Join(path.Dir(name), to); path.IsAbs(to) || filepath.IsAbs(to) || inside == ".." || strings.HasPrefix(inside, "../") {
			p.errs = append(p.errs, fmt.Errorf("ship: %s leads out of the folder, to %s; replace it by a copy or list it in .tlaunchignore", file, to))
			return nil
		}
		h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, to, 0o777
		p.files++
		return p.tar.WriteHeader(h)
	}
	p.errs = append(p.errs, fmt.Errorf("ship: %s is neither file, folder nor link (%v); list it in .tlaunchignore", file, info.Mode().Type()))
	return nil
}

func (p *packer) copy(h *tar.Header, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := p.tar.WriteHeader(h); err != nil {
		return err
	}
	if n, err := io.Copy(p.tar, f); err != nil {
		return fmt.Errorf("%s: after %d bytes: %w; it must not change while it is packed", file, n, err)
	}
	return nil
}

// unpackScript wants the candidate folders as positional parameters, the hash in $H and the place to unpack at in $R.
var unpackScript = script(`
cd; echo; echo ` + begin + `; f=;
for d do f=$d/$H; ` + private + ` && [ -f "$f" ] && touch -c "$f" && break; f=; done 2>/dev/null;
if [ -z "$f" ]; then echo missing; elif e=$( { mkdir -p "$R" && cd "$R" && tar -xf "$f"; } 2>&1 ); then echo done; else echo "failed $e"; fi; echo; echo ` + end)

// PutDir makes the contents of dir appear in the folder remoteDir of the host, which is made when it is missing; a relative one counts from the home folder. A host that has had the same content is sent nothing but its hash. progress is as in [Put].
func PutDir(ctx context.Context, c *ssh.Client, p Platform, dir *Dir, remoteDir string, progress func(sent, total int64)) error {
	for range 2 {
		there, err := unpack(ctx, c, p, dir, remoteDir)
		if err != nil || there {
			return err
		}
		u := upload{blob: dir.blob, path: dir.Path, near: p.Near, progress: progress}
		if _, err := u.put(ctx, c, p.Dirs); err != nil {
			return err
		}
	}
	return &ScriptError{Step: "unpacking " + dir.Path, Err: errors.New("the archive was there and is gone")}
}

// unpack reports whether the host had the archive.
func unpack(ctx context.Context, c *ssh.Client, p Platform, dir *Dir, remoteDir string) (there bool, err error) {
	text := "H=" + dir.SHA256 + "; R=" + quote(remoteDir) + "; set --"
	for _, d := range p.Dirs {
		text += " " + quote(d)
	}
	return run(ctx, c, "unpacking "+dir.Path, text+"; "+unpackScript, func(r *remote) (there bool, err error) {
		verdict := ""
		for {
			line, ok, err := r.line()
			if err != nil {
				return false, err
			}
			if !ok {
				break
			}
			if verdict == "" {
				verdict = line
			}
		}
		if verdict == "done" || verdict == "missing" {
			return verdict == "done", nil
		}
		said := strings.TrimPrefix(verdict, "failed ")
		return false, &UnpackError{Path: dir.Path, Dir: remoteDir, Output: said[:min(len(said), maxQuoted)]}
	})
}
