// Package hosts brings up hosts for a test on one Linux machine and removes them when it ends; package internal/netns does the work. A host is a network namespace with one address,
// a real sshd on port 22, its own host name, home folder, account file, /tmp, /var/tmp and /dev/shm. A net is a set
// of hosts named host1 to hostN on one bridge; the machine itself is on that bridge too, as the gateway:
//
//	machine 10.77.X.254 ── bridge tlbrX ─┬─ tlX.1 ── eth0 host1 10.77.X.1
//	                                     ├─ tlX.2 ── eth0 host2 10.77.X.2
//	                                     └─ …
//
// # What is shared and what is not
//
// A process on a host does not see the other hosts' folders, nor the machine's /tmp, /var/tmp, /dev/shm and /root:
// two hosts of a net have no folder in common in which an ordinary program would write. They do share the kernel, the process
// table and the read-only parts of the disk (/usr, /etc). Host.Home has the same path on both sides, so a test
// can look into it from outside. A test that wants to run its own binary on a host names it
// /proc/PID/exe, with its own PID, because the folder where go test built it is hidden.
//
// # Guarantees
//
// When Up returns, every host answers on port 22. When the test ends, the processes on the hosts, the
// namespaces, the bridge and the folders are gone; what could not be removed fails the test. Each net holds an flock on its
// subnet's file in /run/tlaunch-hosts, so several test binaries may use the package at once, and what a
// killed test left behind is removed by the next Up of anyone.
//
// # Limits
//
// Root is needed, and the packages that scripts/setup.sh installs: Up fails the test, with the remedy, where they are missing; it
// never skips. There are at most 249 nets on a machine at a time and 200 hosts in a net. Methods that change a net
// call Fatal on the test that brought it up, so they belong into that test's own goroutine. Linux only: elsewhere the package is empty.
package hosts
