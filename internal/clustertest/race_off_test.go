//go:build linux && hosts && !race

package clustertest

const raceEnabled = false
