package realtime

import (
	"context"

	"ping/domain"
)

// streams lists what the client may see, the own stream last.
func (u *upturn) streams() []stream {
	user := u.socket.user
	return append(u.known.streams, stream{
		id: user, partition: u.hub.log.PartitionOf(user), own: true, spans: membership{{from: 1}}, tip: u.known.own,
	})
}

// setHeads finds the version of each stream at the cut-off. Of most streams it
// is in the snapshot: what lies at or before the cut-off was its last event,
// and the log had not yet gone beyond the cut-off. The log is asked about those
// of which that is not so.
func (u *upturn) setHeads(ctx context.Context, streams []stream) error {
	var ids []domain.ID
	var asked []*stream
	for i := range streams {
		st := &streams[i]
		cut := u.cut[st.partition]
		if st.tip.position <= cut && cut <= u.known.ends[st.partition] {
			st.head = st.tip.version
			continue
		}
		ids, asked = append(ids, st.id), append(asked, st)
	}
	if len(ids) == 0 {
		return nil
	}
	heads, err := u.versionsAt(ctx, ids, u.cut)
	if err != nil {
		return err
	}
	for i, st := range asked {
		st.head = heads[i]
	}
	return nil
}

func (st *stream) gap(part span) []byte {
	frame := gapFrame{Type: "gap", FromSeq: part.from, ToSeq: part.to}
	if st.own {
		frame.UserID = st.id
	} else {
		frame.ConversationID = st.id
	}
	return message(frame)
}
