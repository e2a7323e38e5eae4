//go:build !linux

package tlaunch

// ask knows nothing to ask here.
func (f *hostFacts) ask([]string) {}
