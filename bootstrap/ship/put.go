package ship

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/ssh"
)

const (
	keepFiles = 5       // files kept in a cache folder
	keepKiB   = 1 << 20 // and their size together
)

// putScript wants the candidate folders as positional parameters, the interpreter in $I (may be empty), the hash in $H, the size in KiB in $K, and in $Z whether the content is to be compressed (1). It finds a
// folder; where $T is not empty it fetches the content as fetchScript says; else it says so along with how it will check, reads a line with the output of cksum where it checks with that, then the content up to its end, checks it and puts it in place.
var putScript = script(fetchScript + `
umask 077; echo; echo ` + begin + `; x=; p=; trap 'rm -f "$x" "$p"; echo; echo ` + end + `' EXIT; trap 'exit 1' HUP INT TERM PIPE;
[ -z "$I" ] || [ -e "$I" ] || { echo "lacks $I"; exit; }; t=;
for d do
e=$(mkdir -p "$d" 2>&1) || { echo "skip $d: $e"; continue; };
[ -O "$d" ] && [ ! -h "$d" ] && chmod 1700 "$d" 2>/dev/null && ` + private + ` || { echo "skip $d: not a folder of this user alone"; continue; };
a=$(df -Pk "$d" 2>/dev/null | { read -r a; read -r a b c k r; echo "$k"; }); [ "${a:-0}" -ge "$K" ] || { echo "skip $d: ${a:-0} KiB free, $K needed"; continue; };
x=$d/.try.$$; e=$({ { echo '#!/bin/sh'; echo exit 0; } >"$x" && chmod 700 "$x" && "$x"; } 2>&1) || { rm -f "$x"; echo "skip $d: programs cannot run there: $e"; continue; };
rm -f "$x"; t=$d; break; done;
[ -n "$t" ] || { echo none; exit; }; p=$t/.part.$$;
v=cksum; for s in openssl sha256sum shasum; do command -v $s >/dev/null 2>&1 && v=$s && break; done; if [ -n "$T" ]; then fetch || exit;
else z=raw; [ "$Z" = 1 ] && command -v gzip >/dev/null 2>&1 && z=gzip; echo "ready $z $v"; IFS= read -r C || exit;
if [ $z = gzip ]; then e=$(gzip -dc 2>&1 >"$p"); else e=$(cat 2>&1 >"$p"); fi || { echo "lost $t: $e"; exit; }; fi;
case $v in openssl) s=$(openssl dgst -sha256 <"$p") && [ "${s##* }" = "$H" ];; sha256sum) s=$(sha256sum <"$p") && [ "${s%% *}" = "$H" ];;
shasum) s=$(shasum -a 256 <"$p") && [ "${s%% *}" = "$H" ];; *) s=$(cksum <"$p") && [ "$s" = "$C" ];; esac || { echo "corrupt $s"; exit; };
chmod 700 "$p" || exit;
if [ -n "$I" ]; then e=$("$I" --list "$p" 2>&1 | grep -e "not found" -e "cannot open") && { echo "$e" | sed "s/^/lacks /"; exit; }; fi;
mv -f "$p" "$t/$H" && echo "done $t/$H"; cd "$t" || exit; n=0; k=0;
for f in $(ls -t); do case $f in *[!0-9a-f]*) continue;; esac;
n=$((n+1)); k=$((k+$(wc -c <"$f")/1024));
[ $n -le ` + fmt.Sprint(keepFiles) + ` ] && [ $k -le ` + fmt.Sprint(keepKiB) + ` ] || find "$f" -type f -mmin +60 -exec rm -f {} +; done;
find . -type f -name ".part.*" -mmin +60 -exec rm -f {} +`)

// Put makes sure that the host has b and returns its path there. progress, when not nil, is told how many of the bytes to send are sent, from one goroutine at a time, and for a moment after ctx has ended; it is not called when the host has the
// file already. Its errors are [*PlatformError], [*DynamicError], [*SpaceError], [ErrCorrupt], [*ScriptError] and the context's.
func Put(ctx context.Context, c *ssh.Client, p Platform, b *Binary, progress func(sent, total int64)) (remotePath string, err error) {
	if p.String() != b.Platform() {
		return "", &PlatformError{Host: p.String(), Binary: b.Platform(), Path: b.Path}
	}
	if path, ok := p.Cached(b.SHA256); ok {
		return path, nil
	}
	u := upload{blob: b.blob, path: b.Path, interp: b.Interp, near: p.Near, progress: progress}
	return u.put(ctx, c, p.Dirs)
}

// upload is a blob on its way to one host.
type upload struct {
	*blob
	path     string // for errors
	interp   string
	near     bool    // compressing takes longer than it saves
	from     *Source // where the host gets it; nil: from here
	progress func(sent, total int64)
}

// put tries the folders until one has taken the content.
func (u *upload) put(ctx context.Context, c *ssh.Client, dirs []string) (string, error) {
	var skipped []string
	for {
		v, err := u.try(ctx, c, dirs)
		if err != nil {
			return "", err
		}
		skipped = append(skipped, v.skipped...)
		switch {
		case v.path != "":
			return v.path, nil
		case len(v.lacks) > 0:
			return "", &DynamicError{Path: u.path, Missing: v.lacks}
		case v.corrupt:
			return "", fmt.Errorf("%w: %s; was it changed meanwhile?", ErrCorrupt, u.path)
		case v.lost == "":
			return "", &SpaceError{Need: u.size, Dirs: skipped}
		}
		// The folder looked good and was not: leave it and those before it out.
		dirs = dirs[min(v.tried+1, len(dirs)):]
		skipped = append(skipped, v.lost)
		if len(dirs) == 0 {
			return "", &SpaceError{Need: u.size, Dirs: skipped}
		}
	}
}

// verdict is what the host says of one try.
type verdict struct {
	path    string   // where the file is now; empty: it is not
	skipped []string // folders that were passed over, and why
	lacks   []string // what the host lacks to load the binary
	lost    string   // folder that failed while it was written to, and why
	tried   int      // position of that folder
	corrupt bool

	unable    bool   // it has no means to fetch it
	unfetched string // by which means it could not be fetched
}

func (u *upload) try(ctx context.Context, c *ssh.Client, dirs []string) (verdict, error) {
	const kib = 1024
	compress := 0
	if !u.near && u.from == nil {
		compress = 1
		if _, err := u.compressed(); err != nil {
			return verdict{}, fmt.Errorf("ship: %s: %w", u.path, err)
		}
	}
	text := fmt.Sprintf("H=%s; K=%d; I=%s; Z=%d; %s; set --", u.sha256, (u.size+kib-1)/kib+16, quote(u.interp), compress, u.from.variables(u.size))
	for _, d := range dirs {
		text += " " + quote(d)
	}
	return run(ctx, c, "sending "+u.path, text+"; "+putScript, func(r *remote) (v verdict, err error) {
		sent := false
		for {
			line, ok, err := r.line()
			if err != nil {
				return v, err
			}
			if !ok {
				if v.path == "" && len(v.lacks) == 0 && !v.corrupt && v.lost == "" && sent {
					return v, r.fail(errors.New("it broke off"))
				}
				return v, nil
			}
			word, rest, _ := strings.Cut(line, " ")
			switch word {
			case "skip":
				v.skipped = append(v.skipped, rest)
				v.tried++
			case "lacks":
				v.lacks = append(v.lacks, strings.TrimSpace(rest))
			case "ready":
				sent = true
				if err := u.send(r, rest); err != nil {
					return v, err
				}
			case "unable":
				v.unable = true
			case "unfetched":
				v.unfetched = rest
			case "lost":
				v.lost = rest
			case "corrupt":
				v.corrupt = true
			case "done":
				v.path = rest
			}
		}
	})
}

// send writes the content as the host wants it: "gzip" or "raw", and what it will check it with. A host that stops reading says why in its next line, so that is not an error here.
func (u *upload) send(r *remote, wants string) error {
	encoding, check, _ := strings.Cut(wants, " ")
	sum := ""
	if check == "cksum" {
		var err error
		if sum, err = u.cksum(); err != nil {
			return fmt.Errorf("ship: %s: %w", u.path, err)
		}
	}
	if _, err := io.WriteString(r.stdin, sum+"\n"); err != nil {
		return nil
	}
	content, total := u.open(), u.size
	if encoding == "gzip" {
		gz, err := u.compressed()
		if err != nil {
			return fmt.Errorf("ship: %s: %w", u.path, err)
		}
		content, total = bytes.NewReader(gz), int64(len(gz))
	}
	const chunk = 32 << 10
	buf := make([]byte, chunk)
	for sent := int64(0); ; {
		n, err := content.Read(buf)
		if n > 0 {
			if _, werr := r.stdin.Write(buf[:n]); werr != nil {
				return nil
			}
			sent += int64(n)
			if u.progress != nil {
				u.progress(sent, total)
			}
		}
		if errors.Is(err, io.EOF) {
			r.stdin.Close()
			return nil
		}
		if err != nil {
			return fmt.Errorf("ship: %s: %w", u.path, err)
		}
	}
}
