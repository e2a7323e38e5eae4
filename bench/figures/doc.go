// Package figures is what all measurements say of their figures: the spread of several, and the machine on which they were found.
package figures
