// Package wire holds the generated messages that actor systems of one run
// exchange. See wire.proto for what each means.
package wire

//go:generate protoc --go_out=. --go_opt=paths=source_relative wire.proto
