package main

import "time"

// How long, and how often, tests look for what is to come.
const (
	patience = time.Minute
	pause    = 20 * time.Millisecond
)
