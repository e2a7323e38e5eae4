// Package netns brings up hosts on one Linux machine, for tests and benchmarks. A host is a network namespace with one address,
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
// table and the read-only parts of the disk (/usr, /etc). Host.Home has the same path on both sides, so the machine
// can look into it from outside.
//
// # Guarantees
//
// When [Up] returns, every host answers on port 22. When [Net.Close] returns without an error, the processes on the hosts, the
// namespaces, the bridge and the folders are gone. Each net holds an flock on its subnet's file in /run/tlaunch-hosts, so several
// processes may use the package at once, and what a killed one left behind is removed by the next Up of anyone.
//
// # Cancellation
//
// Up takes about a third of a second for eight hosts and has no context. What it starts ends with the process that called it, but for
// what runs on the hosts by then.
//
// # Limits
//
// Root is needed, and the packages that scripts/setup.sh installs: the error of Up says so where they are missing. There are at most
// 249 nets on a machine at a time and 200 hosts in a net. Methods of a net and its hosts belong to one goroutine at a time. Linux only:
// elsewhere the package is empty.
package netns
