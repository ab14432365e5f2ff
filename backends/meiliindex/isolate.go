package meiliindex

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/meilisearch/meilisearch-go"

	"productindex/reindex"
)

// How many products of a generation, or of a call of Update or Edit, the server may refuse, in all and in a row, before
// the reason is no longer looked for in them.
const (
	defaultMaxRefused = 10_000
	defaultMaxInARow  = 200
)

// examine waits for a task of documents and notes what has to be tried again because of it.
func (u *uploader) examine(ctx context.Context, s *sending) (good bool, err error) {
	if s.pending() {
		return false, nil // it was examined before
	}
	task, err := u.ix.await(ctx, s.task)
	if errors.Is(err, errNoTask) { // sending its documents once more does no harm
		s.doubt(s.documents)
		return false, nil
	}
	if err != nil {
		return false, err
	}
	refused, err := u.verdict(task, s.documents)
	switch {
	case err != nil && task.Status != meilisearch.TaskStatusCanceled:
		return false, err
	case err == nil && refused == nil:
		return true, nil
	case refused != nil && !isPoison(task):
		s.suspect(s.documents, refused) // its own documents are to blame
	default:
		s.doubt(s.documents) // perhaps a document of another task of its batch is to blame
	}
	return false, nil
}

// verdict reads what became of a task of documents: refused is the reason that lies in a document, err one that does
// not.
func (u *uploader) verdict(task *meilisearch.Task, documents []document) (refused, err error) {
	err = outcome(task)
	if failed, ok := errors.AsType[*taskError](err); ok && !failed.system {
		return errors.New(failed.PublicMessage()), nil
	}
	if err != nil {
		return nil, err
	}
	if want := distinct(documents); task.Details.IndexedDocuments != want {
		return nil, fmt.Errorf("meiliindex: task %d succeeded and indexed %d documents of %d: %w", task.UID,
			task.Details.IndexedDocuments, want, u.gone())
	}
	return nil, nil
}

// idle waits until no task of the generation's index waits or is processed. If others write into it there may always be
// one.
func (u *uploader) idle(ctx context.Context) error {
	if u.shared {
		return nil
	}
	return u.ix.poll(ctx, func() (bool, error) {
		n, err := u.ix.waiting(ctx, meilisearch.TasksQuery{IndexUIDS: []string{u.uid}})
		return n == 0, err
	})
}

// isolation is the search for the bad documents of a task that failed. It survives an error, so that the
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
func (u *uploader) isolate(ctx context.Context, s *sending) error {
	for s.pending() {
		if len(s.suspects) == 1 {
			if err := u.refuse(s.suspects[0], s.reason); err != nil {
				return err
			}
			s.suspects = nil
			continue
		}
		part := s.unknown
		if len(s.suspects) > 0 {
			part = s.suspects[:len(s.suspects)/2]
		}
		refused, err := u.sendAlone(ctx, part)
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

// aloneTries is how often documents are sent that share their batch with those of other processes each time.
const aloneTries = 30

// sendAlone sends documents as a task that is alone in its batch. If other processes write into the index as well it
// may not be, in which case a document of theirs may be to blame for its failure: it is sent again then.
func (u *uploader) sendAlone(ctx context.Context, documents []document) (refused, err error) {
	for range aloneTries {
		info, err := u.post(ctx, payload(documents))
		if err != nil {
			return nil, err
		}
		task, err := u.ix.await(ctx, info)
		if err != nil {
			return nil, err
		}
		refused, err = u.verdict(task, documents)
		if refused == nil && err == nil {
			u.inARow = 0
		}
		if refused == nil || err != nil {
			return refused, err
		}
		if alone, err := u.wasAlone(ctx, task); alone || err != nil {
			return refused, err
		}
		if err := u.pause(ctx); err != nil {
			return nil, err
		}
	}
	return nil, reindex.Temporary(fmt.Errorf("meiliindex: the server refuses products of tenant %q, and which ones is "+
		"not known, as other processes write at the same time; the last reason: %w", u.tenant, refused))
}

// neighbours is how many tasks before and after one are looked at for those of its batch.
const neighbours = 50

// wasAlone reports whether no other task is to blame for the failure of one. The tasks of a batch begin at the same
// time.
func (u *uploader) wasAlone(ctx context.Context, task *meilisearch.Task) (bool, error) {
	if !u.shared || !isPoison(task) {
		return true, nil
	}
	query := &meilisearch.TasksQuery{IndexUIDS: []string{u.uid}, Limit: 2 * neighbours}
	for uid := max(0, task.UID-neighbours); uid < task.UID+neighbours; uid++ {
		query.UIDS = append(query.UIDS, uid)
	}
	near, err := u.ix.client.GetTasksWithContext(ctx, query)
	if err != nil {
		return false, explain(ctx, "tasks.get", u.uid, err)
	}
	return !slices.ContainsFunc(near.Results, func(other meilisearch.Task) bool {
		return other.UID != task.UID && other.StartedAt.Equal(task.StartedAt)
	}), nil
}

// pause waits for a while of random length, so that processes that isolate documents get out of each other's way.
func (u *uploader) pause(ctx context.Context) error {
	timer := time.NewTimer(rand.N(4 * u.ix.cfg.PollInterval)) //nolint:gosec // no secret
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// isPoison reports whether a document of another task of its batch may be the reason why a task failed.
func isPoison(task *meilisearch.Task) bool { return strings.HasPrefix(task.Error.Message, "Index `") }

func (u *uploader) refuse(d document, reason error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !slices.ContainsFunc(u.failed, func(e reindex.ItemError) bool { return e.ID == d.id }) {
		u.failed = append(u.failed, reindex.ItemError{ID: d.id, Err: reason})
	}
	if u.inARow++; len(u.failed) > u.ix.maxRefused || u.inARow > u.ix.maxInARow {
		return fmt.Errorf("meiliindex: the server refused %d products of tenant %q, %d of them in a row, which can hardly be their fault; the "+
			"last reason: %w", len(u.failed), u.tenant, u.inARow, reason)
	}
	return nil
}
