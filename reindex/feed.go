package reindex

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// littleLeft is the number of changes that may be left when a run goes on to seal or to switch over. So few are
	// replayed in a moment.
	littleLeft = 100
	// littleTime is the time within which the changes that are left can be replayed, if they are more than that.
	littleTime = 100 * time.Millisecond
	// catchUpRounds is the number of rounds in a row that bring a run hardly nearer to the head of the log, after which
	// the run goes on anyway.
	catchUpRounds = 3
)

// feed replays the changes of a tenant into the generation of one run. It replays all changes that were accepted since
// the run began, and a run begins before it opens its source. Replaying a change twice, or one that the source already
// had, leads to the same state.
type feed struct {
	streams *streams
	tenant  string
	stream  *stream
	pin     string              // the name of the pin
	from    int64               // the position of the pin
	end     func(handOver bool) // lets go of the changes that were kept, unless another process still needs them
}

// follow begins to keep the tenant's changes after a position for a run, in a pin of that name. A negative position
// stands for the head of the log.
func (s *streams) follow(ctx context.Context, tenant, name string, position int64) (*feed, error) {
	st, leave := s.use(tenant)
	st.fed(1)
	f := &feed{streams: s, tenant: tenant, stream: st, pin: "run-" + name}
	err := s.cfg.Retry.Do(ctx, func() error { return f.keep(ctx, position) })
	if err != nil {
		st.fed(-1)
		leave()
		return nil, fmt.Errorf("keeping the changes that come during the run: %w", err)
	}
	stop := f.renew(context.WithoutCancel(ctx))
	f.end = func(handOver bool) {
		stop()
		defer leave()
		defer st.fed(-1)
		if handOver {
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.CleanupTimeout)
		defer cancel()
		if err := contain(func() error { return s.log.Unpin(ctx, tenant, f.pin) }); err != nil {
			s.cfg.Logger.Warn("changes are kept longer than needed", "tenant", tenant, "error", err)
		}
	}
	return f, nil
}

const (
	// pinLeases is the number of leases of the log for which a pin lasts unless it is renewed.
	pinLeases = 2
	// takeOverTime is the time for which a pin lasts if another process may take its run over.
	takeOverTime = 24 * time.Hour
)

// lasting returns the time for which a pin lasts unless it is renewed.
func (s *streams) lasting() time.Duration {
	if s.cfg.Loader != nil && s.log.Lease() > 0 {
		return takeOverTime
	}
	return pinLeases * s.log.Lease()
}

// keep makes or renews the pin.
func (f *feed) keep(ctx context.Context, position int64) error {
	return contain(func() (err error) {
		f.from, err = f.streams.log.Pin(ctx, f.tenant, f.pin, position, f.streams.lasting())
		return err
	})
}

// renew renews the pin until it is stopped.
func (f *feed) renew(ctx context.Context) (stop func()) {
	lease := f.streams.log.Lease()
	if lease == 0 {
		return func() {}
	}
	from, done := f.from, make(chan struct{})
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer close(done)
		ticker := time.NewTicker(max(1, lease/renewals))
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
			err := contain(func() error {
				_, err := f.streams.log.Pin(ctx, f.tenant, f.pin, from, f.streams.lasting())
				return err
			})
			if err != nil && ctx.Err() == nil {
				f.streams.cfg.Logger.Warn("renewing the claim of a run on changes failed", "tenant", f.tenant, "error", err)
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// editing is a generation into which a feed is replayed.
type editing struct {
	feed     *feed
	gen      Generation
	tally    *tally
	record   *record
	replayed int64
	present  map[string]bool // by id, whether an edited product is in the generation
	refused  map[int64]ItemError

	uncounted bool   // the tally does not know which products the generation held
	before    string // the generation that is replaced, if it may be kept
}

func newEditing(f *feed, gen Generation, t *tally) *editing {
	return &editing{
		feed: f, gen: gen, tally: t, record: t.record, replayed: f.from,
		present: map[string]bool{}, refused: map[int64]ItemError{},
	}
}

// catchUp replays the changes that have come, and then those that come meanwhile, until only a few are left.
func (d *editing) catchUp(ctx context.Context) error {
	if _, err := d.replay(ctx); err != nil {
		return err
	}
	return d.approach(ctx)
}

// approach replays changes until only a few are left, which switchOver replays. If they come nearly as fast as they are
// replayed, the applier of the live index has to rest more and more between its calls.
func (d *editing) approach(ctx context.Context) error {
	st := d.feed.stream
	defer st.yield(0)
	state, err := d.feed.state(ctx)
	least, soon := state.Head-d.replayed, int64(littleLeft)
	for rests, stuck := 0, 0; err == nil && state.Head-d.replayed > soon && stuck < catchUpRounds; {
		head, from, start := state.Head, d.replayed, time.Now()
		if _, err := d.replay(ctx); err != nil {
			return err
		}
		replayed, took := d.replayed-from, max(1, time.Since(start))
		soon = max(littleLeft, replayed*int64(littleTime)/int64(took))
		state, err = d.feed.state(ctx)
		came, left := state.Head-head, state.Head-d.replayed
		switch {
		case came > replayed/2 && rests < maxRests:
			rests++
			st.yield(rests)
			least = left
		case left < least-replayed/8:
			least, stuck = left, 0
		default:
			stuck++
		}
	}
	return err
}

// rest replays all remaining changes. The caller holds the stream's turn.
func (d *editing) rest(ctx context.Context) error {
	for {
		left, err := d.replay(ctx)
		if err != nil || left == 0 {
			return err
		}
	}
}

// replay applies the next changes to the generation and returns the number of changes that are left.
func (d *editing) replay(ctx context.Context) (left int64, err error) {
	f := d.feed
	entries, end, left, err := f.ahead(ctx, d.replayed)
	if err != nil || len(entries) == 0 {
		return 0, lostChanges(err)
	}
	editor, ok := As[Editor](d.gen)
	if !ok {
		n := int64(len(entries)) + left
		return 0, &GateError{RuleCurrent, n, 0,
			were(n, "change") + " accepted during the reindex, and this index cannot add them to the new one"}
	}
	upserts := map[string]bool{}
	c := f.streams.newCarrier(f.tenant, func(changes []Change) error {
		for _, c := range changes {
			upserts[c.ID] = !c.Delete
		}
		return editor.Edit(ctx, changes)
	})
	for _, page := range pages(entries, f.streams.sizes) {
		if err := c.carryAll(ctx, page); err != nil {
			return 0, fmt.Errorf("replaying changes: %w", err)
		}
	}
	d.replayed = end
	d.account(ctx, entries, upserts, c.refused)
	return left, nil
}

// account adds the outcomes of entries to the report, and the number of products that they added or removed.
func (d *editing) account(
	ctx context.Context, entries []ChangeEntry, upserts map[string]bool, refused map[int64]ItemError,
) {
	var applied, added, removed int64
	applier := d.feed.stream.position()
	for _, e := range entries {
		id := e.Change.ID
		if item, bad := refused[e.Position]; bad {
			d.record.log.WarnContext(ctx, "a change was refused by the new index", "product", id, "reason", item.Err)
			if e.Position > applier {
				d.refused[e.Position] = item
			}
			continue
		}
		applied++
		if d.uncounted {
			d.present[id] = upserts[id]
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

// maxHolds is the number of attempts of a run to hold updates until the last changes are replayed.
const maxHolds = 3

// errHeld means that a run has let updates go on before the last changes were replayed: it had held them for too long,
// or had lost its claim on the live index, in which case the error also matches [ErrClaimLost].
var errHeld = errors.New("updates were held for too long")

// switchOver holds the tenant's updates while it replays the remaining changes and commits. After the switch-over the
// live index is current up to the last change that was replayed.
func (d *editing) switchOver(ctx context.Context, commit func(ctx context.Context) error) error {
	s := d.feed.streams
	defer s.apply(d.feed.stream) // what came meanwhile
	var err error
	if d.before, err = s.liveGeneration(ctx, d.feed.tenant); err != nil {
		return err
	}
	for holds, lost := 1, 0; ; holds++ {
		err := d.switchOnce(ctx, commit)
		if err == nil {
			s.releaseKept(ctx, d.feed.tenant)
		}
		if !errors.Is(err, errHeld) {
			return err
		}
		if errors.Is(err, ErrClaimLost) {
			lost++
		}
		if holds == maxHolds {
			return notReplayed(s.cfg.MaxHold, holds, lost)
		}
		if err := d.catchUp(ctx); err != nil {
			return err
		}
	}
}

// notReplayed returns the error of a run that has held updates several times without a switch-over. In lost of these
// times the run has lost its claim on the live index.
func notReplayed(limit time.Duration, holds, lost int) error {
	var text string
	switch lost {
	case 0:
		text = fmt.Sprintf("the last changes could not be replayed within %v (MaxHold), %d times; the live index has them",
			limit, holds)
	case holds:
		text = fmt.Sprintf("the claim on the live index was lost before the last changes were replayed, %d times; "+
			"the log keeps them for the live index", holds)
	default:
		text = fmt.Sprintf("%d of %d attempts to replay the last changes lost the claim on the live index, and the others "+
			"took longer than %v (MaxHold); the log keeps them for the live index", lost, holds, limit)
	}
	return &GateError{RuleCurrent, int64(holds), 0, text}
}

func (d *editing) switchOnce(ctx context.Context, commit func(ctx context.Context) error) (err error) {
	s, st := d.feed.streams, d.feed.stream
	inside, h, err := s.hold(ctx, st, true)
	if err != nil {
		return err
	}
	defer func() { h.release(inside, err == nil) }()
	defer d.record.held()()
	limit, cancel := context.WithTimeoutCause(inside, s.cfg.MaxHold,
		fmt.Errorf("updates were held for %v (MaxHold)", s.cfg.MaxHold))
	defer cancel()
	err = d.rest(limit)
	if err == nil {
		err = s.keepFrom(limit, d.feed.tenant, d.before, h.applied)
	}
	if err == nil {
		err = h.check(limit)
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil && (errors.Is(context.Cause(limit), ErrClaimLost) || errors.Is(err, ErrClaimLost)):
		return errors.Join(errHeld, ErrClaimLost)
	case err != nil && limit.Err() != nil:
		return errHeld
	case err != nil:
		return err
	}
	if err := commit(limit); err != nil {
		if limit.Err() != nil {
			h.cancel(errHeld) // the commit may be on its way: nobody writes until the claim expires
		}
		return h.lateOr(inside, because(limit, err))
	}
	if err := h.note(inside, d.replayed, d.refused); err != nil { // if the claim was lost, this has set the log back
		d.record.log.WarnContext(ctx, "changes that the new index has are applied to it again", "error", err)
		return nil
	}
	st.carried(d.replayed, d.refused, nil)
	return nil
}

// because adds to err the reason why ctx has ended, if it has. The error of an index says only that a context was
// canceled.
func because(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	if cause == nil || errors.Is(err, cause) {
		return err
	}
	return fmt.Errorf("%w: %w", cause, err)
}

// state returns the state of the tenant's log.
func (f *feed) state(ctx context.Context) (state ChangeState, err error) {
	err = f.streams.cfg.Retry.Do(ctx, func() error {
		return contain(func() (err error) {
			state, err = f.streams.log.State(ctx, f.tenant)
			return err
		})
	})
	return state, err
}

// after reads the next changes of the log.
func (f *feed) after(ctx context.Context, position int64, sizes sizes) (entries []ChangeEntry, left int64, err error) {
	err = f.streams.cfg.Retry.Do(ctx, func() error {
		return contain(func() (err error) {
			entries, left, err = f.streams.log.After(ctx, f.tenant, position, sizes.docs, sizes.bytes)
			return err
		})
	})
	return entries, left, err
}
