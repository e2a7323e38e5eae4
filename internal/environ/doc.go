// Package environ reads the environments of other processes, by which a run knows its own. Linux only; elsewhere the package is empty.
package environ
