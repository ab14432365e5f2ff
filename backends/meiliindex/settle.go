package meiliindex

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/meilisearch/meilisearch-go"

	"productindex/reindex"
)

// How many products of a generation the server may refuse, in all and in a row, before the reason is no longer looked
// for in them.
const (
	defaultMaxRefused = 10_000
	defaultMaxInARow  = 200
)

// settleAll waits for everything that was sent.
func (g *generation) settleAll(ctx context.Context) error {
	select {
	case g.settling <- struct{}{}:
		defer func() { <-g.settling }()
	case <-ctx.Done():
		return ctx.Err()
	}
	for g.oldest() != nil {
		if err := g.settleOldest(ctx); err != nil {
			return err
		}
	}
	return g.idle(ctx) // a task may wait that a Write has sent whose answer was lost
}

func (g *generation) oldest() *sending {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.sent) == 0 {
		return nil
	}
	return g.sent[0]
}

// forget drops what was sent and frees its slot.
func (g *generation) forget(s *sending) {
	g.mu.Lock()
	g.sent = slices.DeleteFunc(g.sent, func(other *sending) bool { return other == s })
	g.mu.Unlock()
	<-g.slots
}

// settleOldest waits for the oldest task. When it did not succeed, it waits for all, and sends again what has to be.
// The caller holds settling.
func (g *generation) settleOldest(ctx context.Context) error {
	s := g.oldest()
	if s == nil {
		return nil
	}
	good, err := g.examine(ctx, s)
	if err != nil {
		return err
	}
	if good {
		g.forget(s)
		return nil
	}
	return g.isolateAll(ctx)
}

// examine waits for a task of documents and notes what has to be tried again because of it.
func (g *generation) examine(ctx context.Context, s *sending) (good bool, err error) {
	if s.pending() {
		return false, nil // it was examined before
	}
	task, err := g.ix.await(ctx, s.task)
	if errors.Is(err, errNoTask) { // sending its documents once more does no harm
		s.doubt(s.documents)
		return false, nil
	}
	if err != nil {
		return false, err
	}
	refused, err := g.verdict(task, s.documents)
	switch {
	case err != nil && task.Status != meilisearch.TaskStatusCanceled:
		return false, err
	case err == nil && refused == nil:
		return true, nil
	case refused != nil && !strings.HasPrefix(task.Error.Message, "Index `"):
		s.suspect(s.documents, refused) // its own documents are to blame
	default:
		s.doubt(s.documents) // perhaps a document of another task of its batch is to blame
	}
	return false, nil
}

// verdict reads what became of a task of documents: refused is the reason that lies in a document, err one that does
// not.
func (g *generation) verdict(task *meilisearch.Task, documents []document) (refused, err error) {
	err = outcome(task)
	if failed, ok := errors.AsType[*taskError](err); ok && !failed.system {
		return errors.New(failed.PublicMessage()), nil
	}
	if err != nil {
		return nil, err
	}
	if want := distinct(documents); task.Details.IndexedDocuments != want {
		return nil, fmt.Errorf("meiliindex: task %d succeeded and indexed %d documents of %d: %w", task.UID, task.Details.IndexedDocuments, want, g.errGone())
	}
	return nil, nil
}

// idle waits until no task of the generation's index waits or is processed.
func (g *generation) idle(ctx context.Context) error {
	return g.ix.poll(ctx, func() (bool, error) {
		n, err := g.ix.waiting(ctx, meilisearch.TasksQuery{IndexUIDS: []string{g.uid}})
		return n == 0, err
	})
}

// isolateAll waits for all that was sent, while nothing new is, and sends again what did not succeed, task by task, so
// that each of them is alone in its batch.
func (g *generation) isolateAll(ctx context.Context) error {
	if err := g.posts.Acquire(ctx, int64(g.ix.cfg.MaxTasks)); err != nil {
		return err
	}
	defer g.posts.Release(int64(g.ix.cfg.MaxTasks))
	g.mu.Lock()
	all := slices.Clone(g.sent)
	g.mu.Unlock()
	var bad []*sending
	for i, s := range all {
		good, err := g.examine(ctx, s)
		if err != nil {
			return err
		}
		if !good {
			s.leaveOut(all[i+1:])
			bad = append(bad, s)
		}
	}
	for _, s := range all {
		if !slices.Contains(bad, s) {
			g.forget(s)
		}
	}
	if err := g.idle(ctx); err != nil {
		return err
	}
	for _, s := range bad {
		if err := g.isolate(ctx, s); err != nil {
			return err
		}
		g.forget(s)
	}
	return nil
}

// isolation is what is still to be found out about documents of a task that failed. It survives an error, so that the
// search goes on.
type isolation struct {
	suspects []document // one of them is bad
	reason   error      // the server's last word about them
	unknown  []document // there may be a bad one among them
	compared bool       // with the tasks that came later
}

func (i *isolation) pending() bool { return len(i.suspects) > 0 || len(i.unknown) > 0 }

func (i *isolation) suspect(documents []document, reason error) {
	i.suspects, i.reason = documents, reason
}

func (i *isolation) doubt(documents []document) { i.unknown = documents }

// leaveOut drops documents that later tasks also carry: the later body counts.
func (i *isolation) leaveOut(later []*sending) {
	if i.compared {
		return
	}
	i.compared = true
	newer := map[string]bool{}
	for _, s := range later {
		for _, d := range s.documents {
			newer[d.key] = true
		}
	}
	kept := slices.DeleteFunc(slices.Concat(i.suspects, i.unknown), func(d document) bool { return newer[d.key] })
	if len(kept) < len(i.suspects)+len(i.unknown) {
		i.suspects, i.unknown = nil, kept // the bad one may be gone
	}
}

// isolate sends documents in ever smaller parts, one task at a time, until all good ones are indexed and the bad ones
// known: for each bad one among n about log₂ n + 2 tasks.
func (g *generation) isolate(ctx context.Context, s *sending) error {
	for s.pending() {
		if len(s.suspects) == 1 {
			if err := g.refuse(s.suspects[0], s.reason); err != nil {
				return err
			}
			s.suspects = nil
			continue
		}
		part := s.unknown
		if len(s.suspects) > 0 {
			part = s.suspects[:len(s.suspects)/2]
		}
		refused, err := g.sendAlone(ctx, part)
		switch {
		case err != nil:
			return err
		case refused == nil && len(s.suspects) > 0:
			s.suspects = s.suspects[len(part):]
		case refused == nil:
			s.unknown = nil
		case len(s.suspects) > 0:
			s.unknown = slices.Concat(s.suspects[len(part):], s.unknown)
			s.suspect(part, refused)
		default:
			s.unknown = nil
			s.suspect(part, refused)
		}
	}
	return nil
}

func (g *generation) sendAlone(ctx context.Context, documents []document) (refused, err error) {
	info, err := g.post(ctx, payload(documents))
	if err != nil {
		return nil, err
	}
	task, err := g.ix.await(ctx, info)
	if err != nil {
		return nil, err
	}
	if refused, err = g.verdict(task, documents); refused == nil && err == nil {
		g.inARow = 0
	}
	return refused, err
}

func (g *generation) refuse(d document, reason error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !slices.ContainsFunc(g.failed, func(e reindex.ItemError) bool { return e.ID == d.id }) {
		g.failed = append(g.failed, reindex.ItemError{ID: d.id, Err: reason})
	}
	if g.inARow++; len(g.failed) > g.ix.maxRefused || g.inARow > g.ix.maxInARow {
		return fmt.Errorf("meiliindex: the server refused %d products of tenant %q, %d of them in a row, which can hardly be their fault; the "+
			"last reason: %w", len(g.failed), g.tenant, g.inARow, reason)
	}
	return nil
}
