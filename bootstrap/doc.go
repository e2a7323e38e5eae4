// Package bootstrap reaches hosts and starts one process of this very program on each: on this machine, or over SSH.
// It knows nothing of nodes: what the process is to do is in the orders, which are bytes to it.
//
//	launcher ──stdio of a command── agent ── (init, on Linux) ── worker
//
// A [Launcher] starts, for each host, an agent: the same executable again, which supervises one worker, the executable
// once more. An init function of ours takes over in the agent, so that it runs nothing of the program, in most cases not even what
// initialises its packages. The worker calls [Enter] first thing in main and gets its [Guest]:
// orders, a work folder, streams to the launcher, a log handler, and a context that ends when it is to stop. The
// launcher has a [Process]: the other ends of the streams, [Process.Terminate], and how it ended.
//
// # Guarantees
//
// Nothing secret is in arguments or in the environment: orders and variables travel on the agent's standard input.
//
// The agent is small: at rest it and an empty worker take some 20 MB together, most of it the executable itself.
//
// Where more than 8 hosts lack the executable, the launcher sends 8 copies over SSH, and hosts that have one pass it on: over plain TCP, to who has the
// token. The SHA-256 of what was fetched is checked before it is run. [Config].Direct has all copies sent over SSH.
//
// Streams carry bytes unchanged and in order, in both directions, and push back when their reader is slow.
//
// Lines of output and log records are numbered for each node, in the order in which the agent read them, and arrive in
// that order while the link lasts, to the last byte that was written before the worker's death. What a host sends in a second is
// bounded by [Config].LogRate; what is over it, or was not taken by a slow [Config].Log for a long time, is dropped, and a [Gap]
// stands in its place that says how many lines and bytes of which node are missing. Lines received and lines declared missing are
// together the lines written. [Guest.Output] has the same for what the worker reads from others.
//
// The process is gone soon after its launcher: when nothing was heard for the length of the lease the guest's context
// ends with [ErrLeaseLost], [LeaseNotice] later everything is killed, and the work folder is removed. On Linux that
// includes all descendants, whatever sessions they made for themselves: see Holding. On macOS only the worker's process group
// is killed. Windows can launch, but not be a host.
//
// A status is reported for what it is: the process exited, a signal ended it, the kernel killed it for want of memory (Linux,
// by the counts of its memory cgroup, else of the machine), or the link was lost for good before a status came
// ([ErrNoStatus]).
//
// # Lost links
//
// A worker that has not answered its agent for the length of the lease, since it was stopped by a signal or hangs in the kernel, is
// killed; see [Exit]. Whoever stops one to look at it asks for a longer lease first.
//
// An SSH connection that is lost is bridged. When it has ended, or two fifths of the lease have passed without an answer from the agent, the
// launcher opens another one, by the same way, tries again and again (six at once at most) while the agent can be alive, and starts the executable there once
// more, to bring the connection to the agent. Streams, records and status go on where they had stopped: nothing is lost and nothing comes twice. Meanwhile
// up to 1 MiB waits at each end; then writers wait. [Config].Logger hears of it at level warning, and at level info when the link is back.
// The lease is not longer for it: an agent that no new connection has reached in time ends as if the launcher were gone.
// Links to processes on this machine are pipes, and are not bridged; neither is a link that is lost before [Launcher.Start] has returned.
//
// An agent is reached through a socket of its host: an abstract one on Linux, elsewhere one in a folder of its own in /tmp. It lets nobody in but processes of the same user that
// bring a secret, which was among the orders. On hosts where systemd is told to end the processes of a login with it (KillUserProcesses=yes in
// logind.conf, which is not the default) the agent ends with its first connection, unless the account lingers ("loginctl enable-linger").
//
// # Holding
//
// On Linux an init, the same executable again, stands between agent and worker. Where the user is root it is process 1 of a PID
// namespace: agent, init and worker may be killed with SIGKILL in any order or all at once, and the kernel kills whatever they had
// started. The namespace has a /proc of its own; its processes have other numbers than the host shows. Mounts that the host makes
// later appear in it, mounts made in it stay there. Nothing else is changed: files, users, network and limits are the host's.
//
// Elsewhere agent and init are both subreapers: orphans become children of one of them. When one is killed the other kills all
// that is left, also together with the worker. Only who kills both at once leaves processes behind, and these carry a [Mark]
// in their environment.
//
// An agent that shows no sign of life for the length of the lease and [LeaseNotice], because it was stopped (SIGSTOP), is killed by
// a timer that it has set in the kernel, and its init ends everything below it.
//
// An unprivileged account could have a PID namespace only inside a user namespace of its own, in which files of other users
// belong to nobody, sudo and other setuid programs have no power, and ssh refuses its own configuration for its owner. So it is
// not the default. TLAUNCH_PIDNS in the host's environment decides: "user" for namespaces also so, "off" for none at all.
// Which one is active is said to [Config].Logger at level debug, with the reason where a better one was refused.
//
// # Left-overs
//
// A work folder has a claim beside it, a file that its agent has locked for as long as it lives. Processes with a mark and no
// agent, and folders whose claim nobody has locked, are left-overs: [Launcher.Clean] lists and ends them, and every agent ends
// those beside its own folder, two seconds after its start and in the background.
//
// # Cancellation
//
// The context of [Launcher.Start] covers all of a start, and nothing after it. When it ends, a host that goes on talking but does
// not end is given up after the length of the lease and [LeaseNotice]. [Launcher.Close] kills what runs.
//
// # Limits
//
// Orders have at most [MaxOrders] bytes, lines and log records [MaxLine]; what is longer is cut, and says so. Records that
// wait for the launcher take at most 256 KiB in the agent; then the worker's pipes fill, and its writers wait for as long as the
// lease and [LeaseNotice] last. Of lines that are dropped the last 16 KiB of each node, and 256 KiB in all, are kept for the end.
package bootstrap
