// Package topology measures collective operations between hosts, beside what the links can carry: a plain TCP stream of the same run.
package topology
