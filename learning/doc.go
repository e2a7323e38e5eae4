// Package learning joins learners and actors of reinforcement learning: small
// parts, each usable without the others, around the tables of package transmit
// and the weights that package collective publishes.
//
// An actor plays in an [Environment] by a [Policy] and records what it sees:
//
//	recorder, err := learning.NewRecorder(data, "replay", 3) // items of three steps
//	acting := &learning.Acting{Environment: env, Policy: policy, Recorder: recorder}
//	for episode, err := range acting.Episodes(ctx) { … }
//
// A policy evaluates a [Model] in the actor's own process with the newest
// weights it has ([Local]), or asks a node that does so for many actors at
// once ([Inference], [Remote]).
//
// A learner samples in batches, and gives back priorities:
//
//	for batch, err := range learning.Batches(ctx, data, "replay", 64) {
//		transitions, err := learning.Transitions(batch.Items, discount)
//		…
//		batch.Priorities = errors // the loop's next round begins with telling the table
//	}
//
// A [Board] is a node that counts what all of them do, prints a line now and
// then, and writes the counters as JSON.
//
// # Guarantees
//
// An actor never waits for weights but the first. Its recorder waits for the
// table's limiter, so that actors and learner stay as far apart as that says.
// An episode is recorded step by step: of one that was broken off, as its actor has died, the steps before are whole items.
//
// # Cancellation
//
// All that waits does so under its ctx, whose error ends a loop.
//
// # Limits
//
// Observations are vectors of float32, actions are numbered. For others the parts are short enough to be
// written anew over transmit.Writer and transmit.Sampler.
package learning
