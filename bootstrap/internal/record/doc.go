// Package record is the way of lines from a worker to its launcher: a worker writes log records to a pipe ([Handler], [Pipe]); its agent
// reads them and the worker's output, numbers them, decides which fit under the rate that the launcher allows, and sends them in pieces
// ([Recorder], [Piece]). The launcher puts them together.
package record
