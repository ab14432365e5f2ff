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

// The largest numbers of products that the server may refuse in a generation, or in a call of Update or Edit: in all,
// and consecutively. Beyond them the cause is assumed to lie elsewhere, and the run fails.
const (
	defaultMaxRefused = 10_000
	defaultMaxInARow  = 200
)

// examine waits for a task of documents and reports whether it succeeded. If not, it records the documents to send
// again.
func (u *uploader) examine(ctx context.Context, s *sending) (good bool, err error) {
	if s.pending() {
		return false, nil // already examined
	}
	task, err := u.ix.await(ctx, s.task)
	if errors.Is(err, errNoTask) { // sending documents twice does no harm
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
		s.suspect(s.documents, refused) // the cause is one of its own documents
	default:
		s.doubt(s.documents) // the cause may be a document of another task in its batch
	}
	return false, nil
}

// verdict returns the outcome of a task of documents. If a document is the cause of its failure, refused is the reason;
// for any other cause it is err.
func (u *uploader) verdict(task *meilisearch.Task, documents []document) (refused, err error) {
	err = outcome(task)
	if failed, ok := errors.AsType[*taskError](err); ok && !failed.system {
		return errors.New(failed.PublicMessage()), nil
	}
	if err != nil {
		return nil, err
	}
	if want := distinct(documents); task.Details.IndexedDocuments != want {
		return nil, fmt.Errorf("meiliindex: task %d succeeded but indexed %d of %d documents: %w", task.UID,
			task.Details.IndexedDocuments, want, u.gone())
	}
	return nil, nil
}

// idle waits until the index has no unfinished tasks. It does not wait if other processes write to the index, since
// there may always be a task then.
func (u *uploader) idle(ctx context.Context) error {
	if u.shared {
		return nil
	}
	return u.ix.poll(ctx, func() (bool, error) {
		n, err := u.ix.waiting(ctx, meilisearch.TasksQuery{IndexUIDS: []string{u.uid}})
		return n == 0, err
	})
}

// isolation is the state of the search for the bad documents of a failed task. After an error, a later call continues
// the search.
type isolation struct {
	suspects []document // at least one of them is bad
	reason   error      // the server's latest reason for refusing them
	unknown  []document // some of them may be bad
	compared bool       // leaveOut was called
}

func (i *isolation) pending() bool { return len(i.suspects) > 0 || len(i.unknown) > 0 }

func (i *isolation) suspect(documents []document, reason error) {
	i.suspects, i.reason = documents, reason
}

func (i *isolation) doubt(documents []document) { i.unknown = documents }

// leaveOut drops the documents that later tasks also contain, since the latest version of a product must win.
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
		i.suspects, i.unknown = nil, kept // the bad one may be among the dropped
	}
}

// isolate finds the bad documents by bisection: it sends parts of the documents, one task at a time, until all good
// ones are indexed. Each bad one among n documents takes about log₂ n + 2 tasks.
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

// aloneTries is the number of attempts to get a task of documents into a batch of its own.
const aloneTries = 30

// sendAlone sends documents as a task that is alone in its batch. If other processes also write to the index, the batch
// may contain their tasks, and one of their documents may be the cause of a failure. So sendAlone tries again after
// such a failure.
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
	return nil, reindex.Temporary(fmt.Errorf("meiliindex: the server refuses some products of tenant %q; which ones "+
		"cannot be found out while other processes write; the last reason: %w", u.tenant, refused))
}

// neighbours is the number of tasks before and after a task among which wasAlone looks for tasks of the same batch.
const neighbours = 50

// wasAlone reports whether a failed task cannot have failed because of another one. All tasks of a batch begin at the
// same time.
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

// pause waits for a random time, so that the tasks of processes that isolate documents get into different batches.
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

// isPoison reports whether a task may have failed because of a document of another task in its batch.
func isPoison(task *meilisearch.Task) bool { return strings.HasPrefix(task.Error.Message, "Index `") }

func (u *uploader) refuse(d document, reason error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !slices.ContainsFunc(u.failed, func(e reindex.ItemError) bool { return e.ID == d.id }) {
		u.failed = append(u.failed, reindex.ItemError{ID: d.id, Err: reason})
	}
	if u.inARow++; len(u.failed) > u.ix.maxRefused || u.inARow > u.ix.maxInARow {
		return fmt.Errorf("meiliindex: the server refused %d products of tenant %q, the last %d of them consecutively, "+
			"so the products are probably not the cause; the last reason: %w", len(u.failed), u.tenant, u.inARow, reason)
	}
	return nil
}
