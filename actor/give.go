package actor

import "context"

// Give is [Tell] for bytes whose memory goes along: nothing is copied on the way to the link, or to a node of this process. When Give has
// returned nil the memory, with all of its capacity, belongs to others, and must not be touched any more: a part of a larger array is given as
// b[i:j:j]. After an error it is still the caller's. Bytes that the running method was given are its own to give only when it has kept them ([Keep]).
func Give[T any](ctx context.Context, ref Ref[T], m func(T, context.Context, []byte) error, bytes []byte) error {
	return tell(ctx, ref.target, doMethod(m), given(bytes))
}

// GoGive is [Go] for bytes whose memory goes along, as with [Give]: nothing is copied on the way to the link, or to a node of this process. Once
// GoGive was called the memory, with all of its capacity, belongs to others, whatever becomes of the call.
func GoGive[T, R any](ctx context.Context, ref Ref[T], m func(T, context.Context, []byte) (R, error), bytes []byte) *Future[R] {
	return goCall[R](ctx, ref.target, callMethod(m), given(bytes))
}

func given(bytes []byte) argument {
	if bytes == nil {
		return argument{}
	}
	return argument{bytes: bytes, room: &bytes}
}

// GiveResult says that the []byte which the running method will return goes to its caller with its memory: nothing is copied on the way to the
// link, or to a caller in this process. Once the method has returned the memory, with all of its capacity, belongs to others, and must not be
// touched any more; what the method was given, or a part of it, may be given back so only when it was kept ([Keep]). It does nothing outside of a method, for a method that was told, and for other results.
func GiveResult(ctx context.Context) {
	i := invocationOf(ctx)
	if i == nil || i.over() {
		return
	}
	switch a := i.asker.answer.(type) {
	case *inbound:
		a.given = true
	case *call:
		a.given = true
	}
}
