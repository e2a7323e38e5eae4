// Package resume has a stream of bytes that outlives the connections it travels over.
//
// A [Stream] has one end with each of two peers. What carries it is called a carrier: any connection, used by nobody else.
// When a carrier is lost, both ends keep the bytes of which they do not know that they have arrived; the peer that dials brings
// another carrier with [Stream.Resume], the other takes it with [Stream.Accept], and the bytes go on where they had stopped.
//
// # Guarantees
//
// Bytes arrive once and in order, whatever happens to carriers. A stream is over when one end closes it ([Stream.Close], which the
// other end reads as [io.EOF] behind all that was written) or breaks it ([Stream.Break], of which the other end learns nothing).
// The loss of a carrier is neither, once [Stream.Allow] was called: reads and writes wait.
//
// The first carrier costs no round trip, each later one costs one. Each piece of up to 32 KiB that travels has 12 bytes before it.
//
// A carrier is taken only with the stream's token, and only if it is younger than all that were taken before: one that was given up
// and comes to life again is refused. What a carrier had under way when a younger one was taken is not read.
//
// # Backpressure
//
// An end keeps at most [Config.Budget] bytes of which it does not know that they have been read; then Write waits. Acknowledgements travel with
// data, and by themselves for each quarter of the budget. They are heard by Read, so both ends must be read for either to be written without end.
//
// # Wire
//
// On every carrier, frames: kind (1 byte), length of the payload (3 bytes), acknowledged offset (8 bytes), payload; numbers are big endian.
// Before them, on all carriers but the first, the peer that dials says: version (1 byte), token (32 bytes), number of the carrier (8 bytes),
// offset up to which it has read (8 bytes). The other closes the carrier to refuse, or answers: version (1 byte), offset up to which it has
// read (8 bytes), offset at which it begins (8 bytes). The second is larger than what the peer has asked for where an older carrier has brought
// acknowledgements since; the peer drops what it has read already.
package resume
