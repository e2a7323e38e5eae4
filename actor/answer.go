package actor

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/tartrl/tlaunch-go/actor/internal/wire"
)

// answerPatience is how long a result waits for room on its link, as long as a Tell in a method does: it holds up a turn as well.
const answerPatience = tellPatience

// post answers a call that came as a parcel, and reports whether that needs no message. Room, not nil, is the memory of the result, which goes
// along. A result for which its link has no room waits in the turn that has made it, so that what waits is bounded by the turns there are; what
// holds the room is on its way to a process that reads without waiting for any node, so nothing can depend on the turn. An error, which may come
// from a link's reader, waits elsewhere.
func (in *inbound) post(reply *wire.Reply, room *[]byte) bool {
	p, err := replyParcel(reply)
	p.Room = room
	if err == nil {
		err = in.route.PostNow(p)
	}
	if errors.Is(err, ErrOverloaded) {
		switch {
		case in.account == nil: // more than an honest sender has under way
		case reply.Error != nil:
			in.postLater(p)
			return true
		default:
			err = in.postPatiently(p)
		}
	}
	switch {
	case errors.Is(err, ErrNoParcels):
		return false
	case reply.Error == nil && refusesResult(err):
		return in.post(in.sys.refusal(reply.Id, err), nil)
	case err != nil:
		in.sys.logger.Debug("answer lost", "call", reply.Id, "error", err)
	}
	return true
}

func replyParcel(reply *wire.Reply) (Parcel, error) {
	p := Parcel{Target: SystemID, Label: string(labelResult), Head: binary.AppendUvarint(nil, reply.Id), Body: reply.Result}
	if reply.Error == nil {
		return p, nil
	}
	var err error
	p.Label = string(labelError)
	p.Body, err = proto.Marshal(reply.Error)
	return p, err
}

// postPatiently waits for room while somebody waits for the result and the node lives. Its error is ErrOverloaded where that was not enough.
func (in *inbound) postPatiently(p Parcel) error {
	in.account.waits(in.sys.window, in.size)
	defer in.account.answered(in.sys.window, in.size)
	ctx, cancel := context.WithTimeoutCause(in.ctx, answerPatience, fmt.Errorf("%w: the result waited %v for room", ErrOverloaded, answerPatience))
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	defer context.AfterFunc(in.node.ctx, func() {
		stop(fmt.Errorf("%w: there was no room for the result before %s stopped", ErrOverloaded, in.node.key))
	})()
	return in.route.PostUrgent(ctx, p)
}

// postLater waits for room in a goroutine of its own. There are no more of these than calls that a sender may have under way.
func (in *inbound) postLater(p Parcel) {
	s := in.sys
	in.account.waits(s.window, in.size)
	s.background(func() {
		defer in.account.answered(s.window, in.size)
		if err := in.route.PostUrgent(s.ctx, p); err != nil {
			s.logger.Debug("answer lost", "to", in.sender.Address, "error", err)
		}
	})
}
