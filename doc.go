// Package tlaunch runs one program on many hosts.
//
// A program is a graph of nodes. It is defined once, by a function of its
// configuration and of the hosts it is given, and launched in one process, in
// one process per host name on this machine, or on every host that SSH
// reaches; nothing in the program changes.
//
//	var star = tlaunch.Define("star", func(p *tlaunch.Program, cfg Config) error {
//		hosts := p.Hosts()
//		consumer := tlaunch.Add(p, "consumer", &Consumer{}, tlaunch.On(hosts[0]))
//		for i, h := range hosts[1:] {
//			tlaunch.Add(p, "worker", &Worker{id: i, consumer: consumer}, tlaunch.On(h))
//		}
//		return nil
//	})
//
// Each node is an actor: others call its methods through a [actor.Ref], by
// method expression and in its turn; see package actor for what that promises.
// A node with a Run method is active, and the run ends when all of these have
// returned.
//
// A script calls [Main], which reads flags, takes signals and exits. A service
// calls [Init] first thing in main, then [Definition.Launch], and talks to the
// nodes through [Find].
//
// # Guarantees
//
// Every process of a run builds the same program from the same configuration
// and the same hosts. A difference is an error that names the first node that
// differs, before any node starts.
//
// What can be checked is checked before anything is started: names, placement,
// refs, configuration, registry. Failures of several hosts are reported
// together, in a [*LaunchError].
//
// The first failure of a node or host ends the run, unless the node's [Policy]
// says otherwise: a node, or its host's process, may be started again, or given
// up while enough of its group are left. [Run.Wait] returns the failure that the others follow from, and [Run.Report] says what has become of each
// node: a process that died is the cause of its callers' errors, even where
// those are heard of first.
//
// Importing the package, and calling Init in a process that is no host of a
// run, starts no goroutine, registers no flag, takes no signal and sets no
// logger.
//
// # Cancellation
//
// The context of Launch covers the launch alone; afterwards [Run.Stop] ends
// the run: contexts of nodes end, Stop methods run once, and what is left
// after the notice is killed. A host that has lost its launcher ends its nodes
// by itself; a connection that is lost for a moment is replaced.
//
// # Limits
//
// In a run in one process, a node that has not ended when the notice is over is
// not killed but left behind: its goroutines go on until they return.
//
// Tells that are still under way between processes when the last Run returns
// may not be handled; use Do for what must be. Detached
// runs are not part of this version.
package tlaunch
