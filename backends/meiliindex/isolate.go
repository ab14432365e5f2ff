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
	case refused != nil && !strings.HasPrefix(task.Error.Message, "Index `"):
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

// idle waits until no task of the generation's index waits or is processed.
func (u *uploader) idle(ctx context.Context) error {
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

func (u *uploader) sendAlone(ctx context.Context, documents []document) (refused, err error) {
	info, err := u.post(ctx, payload(documents))
	if err != nil {
		return nil, err
	}
	task, err := u.ix.await(ctx, info)
	if err != nil {
		return nil, err
	}
	if refused, err = u.verdict(task, documents); refused == nil && err == nil {
		u.inARow = 0
	}
	return refused, err
}

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
