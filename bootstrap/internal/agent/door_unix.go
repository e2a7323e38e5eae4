//go:build unix

package agent

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tartrl/tlaunch-go/bootstrap/internal/resume"
	"github.com/tartrl/tlaunch-go/bootstrap/internal/talk"
)

// doorPatience is how long somebody at the door may take to show what he has.
const doorPatience = 10 * time.Second

// door is where a launcher that has lost its link to an agent gets in again: a socket of this machine. What knocks is this executable, started
// over a new connection: see attach. It hands its standard input and output over, so that nobody stands between the agent and
// the new connection. They carry the stream on, once they have brought its token.
type door struct {
	name     string
	listener *net.UnixListener
	remove   func()
	stream   *resume.Stream
}

func openDoor(stream *resume.Stream) (*door, error) {
	listener, name, remove, err := listenLocally(rand.Text())
	if err != nil {
		return nil, err
	}
	d := &door{name: name, listener: listener, remove: remove, stream: stream}
	go d.serve() // it ends with close, and who still stands in the door then with the process
	return d, nil
}

// close lets nobody in any more.
func (d *door) close() {
	_ = d.listener.Close() // it can fail only when it is closed already
	d.remove()
}

// serve lets everybody try, each apart from the others: one who says nothing is in nobody's way.
func (d *door) serve() {
	for {
		conn, err := d.listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // no descriptors are left, perhaps; the launcher tries again
			time.Sleep(doorPause)
			continue
		}
		go func() { _ = d.admit(conn) }() // who is not admitted sees that the connection is closed
	}
}

// doorPause keeps a door that cannot be opened from turning without end.
const doorPause = 100 * time.Millisecond

func (d *door) admit(conn *net.UnixConn) error {
	late := time.AfterFunc(doorPatience, func() { _ = conn.Close() })
	defer late.Stop()
	in, out, err := takeStdio(conn)
	if err != nil {
		_ = conn.Close()
		return err
	}
	carrier := &stdio{in: in, out: out, holder: conn}
	silent := time.AfterFunc(doorPatience, func() { _ = carrier.Close() })
	defer silent.Stop()
	return d.stream.Accept(carrier)
}

// takeStdio takes the standard input and output that one of this user's processes hands over.
func takeStdio(conn *net.UnixConn) (in, out *os.File, err error) {
	if err := checkPeer(conn); err != nil {
		return nil, nil, err
	}
	room := make([]byte, unix.CmsgSpace(4*8)) // more than two descriptors are received too, and closed
	_, n, _, _, err := conn.ReadMsgUnix(make([]byte, 1), room)
	if err != nil {
		return nil, nil, err
	}
	messages, err := unix.ParseSocketControlMessage(room[:n])
	if err != nil {
		return nil, nil, err
	}
	var files []*os.File
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			continue // something else than descriptors
		}
		for _, fd := range fds {
			_ = unix.SetNonblock(fd, true) // else closing it would not end a read: then its end does
			files = append(files, os.NewFile(uintptr(fd), "link"))
		}
	}
	if len(files) != 2 {
		for _, f := range files {
			_ = f.Close() // they are of no use
		}
		return nil, nil, fmt.Errorf("%w: %d descriptors came through the door", talk.ErrFrame, len(files))
	}
	return files[0], files[1], nil
}
