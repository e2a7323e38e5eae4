// Package table is the part of transmit that decides: which item is sampled,
// which is removed, who has to wait. It knows no clock, no network, no
// goroutines and no randomness of its own, and needs a caller that lets one
// goroutine in at a time.
//
// A [Store] holds the bytes of steps. A [Stream] is what a writer has
// appended and may still refer to. A [Table] holds items, each a window of
// consecutive steps of a stream. Steps are stored once, however many items of
// however many tables have them, and go with the last of these.
//
// All grows in pages (vec), never by copying what is there, and can be looked
// at as it was at one moment while it changes ([Table.Snapshot]).
package table
