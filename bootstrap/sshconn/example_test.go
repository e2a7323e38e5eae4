package sshconn_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/tartrl/tlaunch-go/bootstrap/sshconn"
)

func Example() {
	d, err := sshconn.NewDialer(sshconn.Config{ConfigFile: "none"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	_, err = d.Dial(context.Background(), sshconn.Target{Name: "host1", Address: "127.0.0.1", Port: 1})
	var reach *sshconn.ReachError
	if errors.As(err, &reach) {
		fmt.Println(reach.Host, reach.Kind == sshconn.ReachRefused)
	}
	// Output: host1 true
}

func ExampleHostKeyError() {
	fmt.Println(&sshconn.HostKeyError{
		Host: "host1", Alias: "10.0.0.1", Addr: "10.0.0.1:2222", Algorithm: "ssh-ed25519", Fingerprint: "SHA256:abc",
		Changed: true, Want: []sshconn.KnownLine{{File: "/home/me/.ssh/known_hosts", Line: 7}},
	})
	// Output:
	// sshconn: host1 at 10.0.0.1:2222 showed host key ssh-ed25519 SHA256:abc: CHANGED, another key is known at /home/me/.ssh/known_hosts:7; someone may be listening in. If the host was installed anew: ssh-keygen -f /home/me/.ssh/known_hosts -R '[10.0.0.1]:2222', then accept the new key
}

func ExampleAuthError() {
	fmt.Println(&sshconn.AuthError{Host: "host1", Addr: "10.0.0.1:22", User: "me", Notes: []string{"the key /home/me/.ssh/id_rsa is encrypted and not in an agent: ssh-add /home/me/.ssh/id_rsa"}})
	// Output:
	// sshconn: host1 at 10.0.0.1:22 refused the login of me: there was no key to offer; make one with ssh-keygen or add one with ssh-add; the key /home/me/.ssh/id_rsa is encrypted and not in an agent: ssh-add /home/me/.ssh/id_rsa
}
