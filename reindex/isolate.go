package reindex

import (
	"context"
	"errors"
	"slices"
)

// isolation finds the few changes that make calls fail, among others that the index accepts. It makes each call once,
// since retries were made before.
//
// An index that is down, as a whole or in part, fails for many changes. Therefore changes are blamed only if the index
// accepts nearly all of them.
type isolation struct {
	carrier *carrier
	limit   int // of the changes to blame
	taken   int
	blamed  []failedMember[ChangeEntry]
}

const (
	// blamedOf limits the changes to blame: at most one in blamedOf.
	blamedOf = 20
	// blamedFirst is the number of failing changes in a row, from the first one on, after which the index counts as down.
	blamedFirst = 5
)

// errDown means that too many changes fail for the changes to be the cause.
var errDown = errors.New("the index does not accept most changes")

// isolate sends entries that failed together in parts, and refuses the few that the index does not accept. If the index
// accepts too few, isolate returns why, the error of the call with all entries.
func (c *carrier) isolate(ctx context.Context, entries []ChangeEntry, why error) error {
	i := isolation{carrier: c, limit: max(1, len(entries)/blamedOf)}
	switch err := i.send(ctx, entries); {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil || i.taken == 0:
		return why
	}
	for _, b := range i.blamed {
		c.refused[b.member.Position] = b.item
	}
	return nil
}

// send sends entries in one call, or in calls of fewer and fewer if it fails.
func (i *isolation) send(ctx context.Context, entries []ChangeEntry) error {
	sent, err := i.carrier.find(ctx, slices.Clone(entries))
	if err == nil && len(sent) > 0 {
		err = i.carrier.call(sent)
	}
	failed, isBatch := errors.AsType[*BatchError](err)
	switch {
	case err == nil:
		i.taken += len(sent)
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case isBatch:
		return i.settle(sent, failed)
	case len(entries) == 1:
		temporary := errors.As(err, new(*TemporaryError))
		return i.blame(entries[0], ItemError{entries[0].Change.ID, temporary, Public(err, changeReason(err))})
	}
	half := len(entries) / 2
	if err := i.send(ctx, entries[:half]); err != nil {
		return err
	}
	return i.send(ctx, entries[half:])
}

func (i *isolation) settle(sent []ChangeEntry, failed *BatchError) error {
	n, reasons := len(sent), failed.byID()
	again, bad, err := settle(sent, func(e ChangeEntry) string { return e.Change.ID }, failed)
	if err != nil {
		return err
	}
	i.taken += n - len(again) - len(bad)
	for _, b := range bad {
		i.carrier.refuse(b.member, errors.New(reason(b.item.Err)))
	}
	for _, e := range again {
		item := reasons[e.Change.ID]
		if err := i.blame(e, ItemError{e.Change.ID, true, errors.New(reason(item.Err))}); err != nil {
			return err
		}
	}
	return nil
}

// blame notes a change that the index does not accept. It returns errDown if there are too many of them.
func (i *isolation) blame(e ChangeEntry, item ItemError) error {
	i.blamed = append(i.blamed, failedMember[ChangeEntry]{e, item})
	if n := len(i.blamed); n > i.limit || n >= blamedFirst && i.taken == 0 {
		return errDown
	}
	return nil
}

// changeReason returns the reason why an index refused a single change, for callers of an API.
func changeReason(err error) string {
	if public, ok := publicMessage(err); ok {
		return public
	}
	if errors.Is(err, ErrTooLarge) || errors.Is(err, ErrRefused) {
		return rejectionReason(err)
	}
	return "the index failed each time with this change, and accepted others" + seeLog
}
