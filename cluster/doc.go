// Package cluster knows who is in a run.
//
// A [Member] is one host's process: its run, its host, the address of its
// endpoint and its incarnation, a number that grows each time the host's
// process is started anew. A [Registry] holds the members of runs and one
// description per run. There are two: [Embedded] lives in the launcher and is
// served to the other processes over connections that exist anyway (a
// [Client] is the registry at the far end), and [Consul] keeps everything in
// a Consul server, where other services find it too. [Diff] says what changed
// between two lists of members.
//
// # Guarantees
//
// Of one host, the highest incarnation counts. A higher one replaces a lower
// one; a lower one is refused with [ErrFenced]. An incarnation that was
// deregistered does not come back: a process that was declared dead and is
// alive after all cannot register itself again.
//
// A list is sorted by host and belongs to whoever receives it. Watch gives
// the whole list each time, beginning with the current one. A slow reader
// skips lists and always gets the newest. Between two lists there is no
// promise about how many changes lie.
//
// A registry is not a failure detector. A member that leaves the list may
// well be alive (its path to Consul may be cut), and a dead one may stay in
// it until its entry is removed.
//
// With Consul, an outage changes nothing: while no answer comes, Members
// gives the last known list and Watch is silent, and neither reports an empty
// run. After the outage, members that are not back yet are held in the list
// for one TTL, at least 5 s, in which time every living process registers itself again,
// even where Consul came back empty. A member that leaves within that time is
// therefore seen to leave up to that much late.
//
// # Cancellation
//
// Every call honours its context to the end. A Register whose context ends
// early may or may not have registered; Deregister and Close undo it either
// way. Watch is an iterator: it uses no goroutine of its own, and it ends
// when the loop is left, when its context ends or when the registry is
// closed, whichever comes first. The last two are reported as the final
// element.
//
// # Limits
//
// A run has at most [MaxMembers] members and a description of at most
// [MaxDescription] bytes. See [Member] for the limits of its fields. An
// embedded registry holds 1024 runs, remembers 16384 hosts of each, and serves
// 8192 connections with 64 watches each. With Consul, every process should reach the same datacenter; an entry that a
// process registered with another agent and that is removed from afar may
// be put back by that agent until its check is critical for a minute (the
// fence keeps it from counting as a new registration, and its process is
// expected to be gone). The keys of a run in Consul are removed when the
// registry that described it closes: describe every run, and deregister
// before that. Of one that was killed Consul removes them by itself, within
// twice the TTL or 20 s, whichever is longer.
package cluster
