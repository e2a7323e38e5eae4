package agent

import (
	"errors"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// listenLocally returns a socket that processes of this machine can reach by name. It has no file, so that no full or foreign file system and no
// length of a path is in its way, and nothing is left of it whatever happens; remove is for systems where it is otherwise.
func listenLocally(random string) (listener *net.UnixListener, name string, remove func(), err error) {
	name = "@tlaunch-" + random
	listener, err = net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
	return listener, name, func() {}, err
}

var errStranger = errors.New("bootstrap: the process at the other end of the socket is another user's")

// checkPeer makes sure that the process at the other end is this user's.
func checkPeer(conn *net.UnixConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var peer *unix.Ucred
	var peerErr error
	if err := raw.Control(func(fd uintptr) { peer, peerErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil {
		return err
	}
	if peerErr != nil {
		return os.NewSyscallError("SO_PEERCRED", peerErr)
	}
	if int(peer.Uid) != os.Geteuid() {
		return errStranger
	}
	return nil
}
