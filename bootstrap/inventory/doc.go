// Package inventory reads the list of hosts that a run may use.
//
// An inventory is text, one host a line:
//
//	# name      [user@]address[:port]   key=value ...
//	gateway     ops@203.0.113.7:2222    data=10.0.0.1
//	node[01-32] 10.0.0.[101-132]        slots=2 rack=b
//	spare                               # the name is the address: an alias of ~/.ssh/config will do
//
//	[gpu]
//	big         [2001:db8::7]           gpus=8
//	node01                              # named before: it joins the group
//
// A line has a name (letters, digits, '.', '_', '-'), an address, and keys. Where the address is missing, the name is the address. IPv6 addresses stand in
// brackets. A '#' at the start of a word begins a comment.
//
// A range in a name, [01-32] or [1,3-5], stands for one host per number. Numbers keep the width they are written with. The address and data= of such a line
// need a range of the same length; number by number they belong together. One word holds at most one range.
//
// A line that is only [label] opens a group: the hosts below it belong to the group, up to the next such line. A host may be named again in another group, by its
// name alone or with the same definition. Every host belongs to the group "all", which cannot be opened.
//
// The keys slots= (processes' worth of work, default 1), gpus= (default 0) and data= (the address by which other hosts reach this one, where it differs) have a meaning;
// any other key is a label of the host, [a-z0-9][a-z0-9._-]*, and its value is any text without blanks.
//
// All faulty lines of a file are reported at once, each as a [*ParseError]. An inventory holds at least one and at most [MaxHosts] hosts, in the order in which they are written.
//
// The package only computes: it opens no socket, starts no goroutine and resolves no name.
package inventory
