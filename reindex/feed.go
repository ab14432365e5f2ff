package reindex

import (
	"context"
	"errors"
	"fmt"
)

const (
	// littleLeft is how many changes may be left when a run goes on to seal, or to switch over: they are replayed in a
	// moment.
	littleLeft = 100
	// catchUpRounds is how often a run that does not come nearer to the head of the log tries to, before it goes on
	// nevertheless.
	catchUpRounds = 20
)

// feed replays the changes of a tenant into the generation of one run: all that were accepted since the run began,
// which is before its source was opened. A change that the source had already, and one that is replayed twice, ends in
// the same state.
type feed struct {
	streams *streams
	tenant  string
	stream  *stream
	leave   func()
	pin     *pin
}

// follow begins to keep the tenant's changes for a run.
func (s *streams) follow(tenant string) *feed {
	st, done := s.use(tenant)
	return &feed{streams: s, tenant: tenant, stream: st, leave: done, pin: st.log.pin()}
}

// end lets go of the changes that were kept.
func (f *feed) end() {
	f.stream.log.unpin(f.pin)
	f.leave()
}

// editing is a generation into which a feed is replayed.
type editing struct {
	feed     *feed
	gen      Generation
	tally    *tally
	record   *record
	replayed int64
	present  map[string]bool // whether products that were edited are in the generation
	refused  map[int64]ItemError

	uncounted bool // nobody knows which products the generation had
}

func newEditing(f *feed, gen Generation, t *tally) *editing {
	return &editing{
		feed: f, gen: gen, tally: t, record: t.record, replayed: f.pin.position, present: map[string]bool{}, refused: map[int64]ItemError{},
	}
}

// catchUp replays changes until only a few are left.
func (d *editing) catchUp(ctx context.Context) error {
	least, rounds := -1, 0
	for {
		left, err := d.replay(ctx)
		if err != nil || left <= littleLeft {
			return err
		}
		if least < 0 || left < least {
			least, rounds = left, 0
		} else if rounds++; rounds == catchUpRounds {
			return nil
		}
	}
}

// rest replays everything that there is. The caller holds the stream's turn.
func (d *editing) rest(ctx context.Context) error {
	for {
		left, err := d.replay(ctx)
		if err != nil || left == 0 {
			return err
		}
	}
}

// replay carries the next changes into the generation and returns how many are left behind them.
func (d *editing) replay(ctx context.Context) (left int, err error) {
	f, sizes := d.feed, d.feed.streams.sizes
	entries, left, err := f.stream.log.after(d.replayed, sizes.docs, sizes.bytes)
	if errors.Is(err, errLogLost) {
		return 0, &GateError{RuleCurrent, 0, 0, err.Error() + "; the live index has them"}
	}
	if err != nil || len(entries) == 0 {
		return 0, err
	}
	editor, ok := As[Editor](d.gen)
	if !ok {
		n := int64(len(entries) + left)
		return 0, &GateError{RuleCurrent, n, 0, fmt.Sprintf(
			"%d changes were accepted while the reindex went on, and this index cannot take them into the new one", n)}
	}
	last, upserts := lastOfEach(entries), map[string]bool{}
	refused, err := f.streams.carry(ctx, f.tenant, last, func(changes []Change) error {
		for _, c := range changes {
			upserts[c.ID] = !c.Delete
		}
		return editor.Edit(ctx, changes)
	})
	if err != nil {
		return 0, fmt.Errorf("replaying changes: %w", err)
	}
	d.replayed = entries[len(entries)-1].position
	d.account(ctx, last, upserts, refused)
	return left, nil
}

// account adds to the report what became of entries, and of how many products there are now more or less.
func (d *editing) account(ctx context.Context, entries []entry, upserts map[string]bool, refused map[int64]ItemError) {
	var applied, added, removed int64
	applier := d.feed.stream.log.position()
	for _, e := range entries {
		id := e.change.ID
		if item, bad := refused[e.position]; bad {
			d.record.log.WarnContext(ctx, "a change was refused by the new index", "product", id, "reason", item.Err)
			if e.position > applier {
				d.refused[e.position] = item
			}
			continue
		}
		applied++
		if d.uncounted {
			continue
		}
		was, known := d.present[id]
		if !known {
			was = d.tally.holds(id)
		}
		switch is := upserts[id]; {
		case is && !was:
			added++
		case was && !is:
			removed++
		}
		d.present[id] = upserts[id]
	}
	d.record.change(func(j *Job) {
		r := &j.Report
		r.ChangesApplied += applied
		r.ChangesRefused += int64(len(refused))
		r.Added += added
		r.Removed += removed
	})
}

// switchOver holds the tenant's updates for the time in which it replays the rest and commits. What the generation held
// when it went live is what the live index is current with. An error of commit for which mayBeLive holds leaves that
// open: changes are then carried out again.
func (d *editing) switchOver(ctx context.Context, commit func(ctx context.Context) error) error {
	st := d.feed.stream
	release, err := st.hold(ctx)
	if err != nil {
		return err
	}
	defer d.feed.streams.apply(d.feed.tenant, st) // what came meanwhile
	defer release()
	defer d.record.held()()
	if err := d.rest(ctx); err != nil {
		return err
	}
	if err := commit(ctx); err != nil {
		return err
	}
	st.log.carried(d.replayed, d.refused, nil)
	return nil
}
