// Package ship brings a program and its files to a host over an SSH connection.
//
// [OpenBinary] reads what an executable is: system, architecture, and what it needs to be loaded. The script of [EnterScript] becomes it, where a host has it: that one session is all that a warm start
// takes. Elsewhere [Probe] asks the host, in one session, what it is and which files it already has. [Put] sends what is missing, and [Fetch] has the host get it from another one that has it.
// [PutDir] does the same for a folder. [CrossBuild] makes a binary for another system where the source is at hand.
//
// # Guarantees
//
// Files are kept on the host under their SHA-256, in the first of $XDG_CACHE_HOME/tlaunch (~/.cache/tlaunch), /var/tmp/tlaunch-UID and /tmp/tlaunch-UID that belongs to the user alone (mode 01700, no link), has room, and lets
// programs run. A file is sent compressed, but for hosts that are near ([Platform].Near); it is checked on the host (openssl, sha256sum or shasum; a host without them: the CRC of cksum and the length), and put in place by rename: what stands under its hash is
// whole. A file that is there already costs nothing but its mention, below 1 KB.
//
// After a transfer the folder is cut to the 5 files used last and to 1 GiB; what was used within the last hour stays.
//
// A binary of another system or architecture is refused before anything is sent, as is one whose interpreter the host lacks.
//
// The host needs a POSIX sh with id, uname, ls, df, wc, find, touch, and tar for PutDir; login shells and their start files may be anything that passes "exec sh -c '…'" on, and may print what they like.
//
// # Cancellation
//
// A function whose context ends closes its session and returns. Should the connection not answer any more, its last goroutine ends when the caller closes the connection.
package ship
