package httpapi

import (
	"context"
	"iter"
	"sync"
	"time"

	"productindex/httpapi/internal/jobquery"
	"productindex/httpapi/internal/recovered"
	"productindex/reindex"
)

// watch is Engine.Watch.
type watch func(ctx context.Context, tenant, id string) iter.Seq2[reindex.Job, error]

// feeds holds one feed per job that is followed, whatever the number of its streams. Each state is fetched and encoded
// once for all streams, and a slow stream blocks neither the engine nor the others.
type feeds struct {
	shown    func(reindex.Job) jobquery.Job
	interval func() time.Duration // between two states

	mu   sync.Mutex
	open map[feedKey]*feed
}

func newFeeds(shown func(reindex.Job) jobquery.Job, interval func() time.Duration) *feeds {
	return &feeds{shown: shown, interval: interval, open: map[feedKey]*feed{}}
}

type feedKey struct{ tenant, id string }

// feed holds the latest state of a job.
type feed struct {
	stop      context.CancelFunc
	followers int // guarded by feeds.mu

	mu      sync.Mutex
	now     feedState
	changed chan struct{} // closed, and replaced, by publish
}

// feedState is a state of a job as streams send it.
type feedState struct {
	id      string // of the event; empty before the first one
	event   []byte
	over    bool  // no state comes after it
	failure error // the reason why no state comes, if the job has not ended
}

// latest returns the state, and a channel that is closed when there is a newer one.
func (f *feed) latest() (feedState, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now, f.changed
}

func (f *feed) publish(s feedState) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = s
	close(f.changed)
	f.changed = make(chan struct{})
}

// join returns the feed of a job. The caller must call leave: a feed without followers ends. The feed has the values of
// the context of its first follower.
func (fs *feeds) join(ctx context.Context, follow watch, tenant, id string) (f *feed, leave func()) {
	key := feedKey{tenant, id}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f = fs.open[key]
	if f == nil {
		f = &feed{changed: make(chan struct{})}
		ctx, f.stop = context.WithCancel(context.WithoutCancel(ctx))
		fs.open[key] = f
		go fs.run(ctx, f, key, follow)
	}
	f.followers++
	return f, func() { fs.leave(key, f) }
}

func (fs *feeds) leave(key feedKey, f *feed) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f.followers--; f.followers == 0 {
		f.stop()
		fs.remove(key, f)
	}
}

// remove removes a feed, so that the next follower of the job gets a new one.
func (fs *feeds) remove(key feedKey, f *feed) {
	if fs.open[key] == f {
		delete(fs.open, key)
	}
}

// run publishes the states of a job until it has ended, the engine fails, or ctx ends.
func (fs *feeds) run(ctx context.Context, f *feed, key feedKey, follow watch) {
	var failure error
	defer func() {
		fs.mu.Lock()
		fs.remove(key, f)
		fs.mu.Unlock()
		last, _ := f.latest()
		last.over, last.failure = true, failure
		f.publish(last)
		f.stop()
	}()
	failure = fs.follow(ctx, f, key, follow)
}

func (fs *feeds) follow(ctx context.Context, f *feed, key feedKey, follow watch) (err error) {
	defer recovered.Into(&err)
	last := ""
	for job, err := range follow(ctx, key.tenant, key.id) {
		if err != nil || ctx.Err() != nil {
			return err
		}
		shown := fs.shown(job)
		if id := eventID(shown); id != last {
			text, err := event(shown)
			if err != nil {
				return err
			}
			last = id
			f.publish(feedState{id: id, event: text})
		}
		if job.Status.Ended() {
			return nil
		}
		pause(ctx, fs.interval())
	}
	return nil
}

// pause waits for a time, or until ctx ends.
func pause(ctx context.Context, while time.Duration) {
	timer := time.NewTimer(while)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
