package realtime

import (
	"context"

	"golang.org/x/sync/semaphore"

	"ping/domain"
	"ping/internal/eventlog"
)

// logReader reads what sockets that start need of the log.
type logReader struct {
	log   *eventlog.Log
	slots *semaphore.Weighted // bounds concurrent reads
}

// read does one read of the log. Reads are bounded, so that most connections to the
// database are left to commands.
func (r *logReader) read(ctx context.Context, do func() error) error {
	if err := r.slots.Acquire(ctx, 1); err != nil {
		return err
	}
	defer r.slots.Release(1)
	return do()
}

// recent calls each with the events of the sources after some positions and up to
// others, oldest first, as far as memory has them. It returns the sources in
// partitions of which memory does not have all.
func (r *logReader) recent(sources []*source, after, upTo []int64, each func(*source, *eventlog.Event)) (others []*source) {
	if len(sources) == 0 {
		return nil
	}
	byID := make(map[domain.ID]*source, len(sources))
	held := make(map[int]bool, len(upTo))
	for _, st := range sources {
		byID[st.id], held[st.partition] = st, false
	}
	for p := range held {
		var events []*eventlog.Event
		events, held[p] = r.log.Recent(p, after[p], upTo[p])
		for _, e := range events {
			if st := byID[e.Stream]; st != nil {
				each(st, e)
			}
		}
	}
	for _, st := range sources {
		if !held[st.partition] {
			others = append(others, st)
		}
	}
	return others
}

// versionsAt returns the version of each source at a position.
func (r *logReader) versionsAt(ctx context.Context, sources []*source, positions []int64) (versions []int64, err error) {
	if len(sources) == 0 {
		return nil, nil
	}
	ids := make([]domain.ID, len(sources))
	for i, st := range sources {
		ids[i] = st.id
	}
	err = r.read(ctx, func() error {
		versions, err = r.log.VersionsAt(ctx, ids, positions)
		return err
	})
	return versions, err
}
