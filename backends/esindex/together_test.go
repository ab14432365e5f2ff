package esindex

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"productindex/reindex"
)

// bulks is a transport to a server that answers only _bulk requests. The answer depends on the ids in the request.
type bulks struct {
	answer func(ids []string) (*http.Response, error)

	mu        sync.Mutex
	now, most int
	sent      []string
}

func (b *bulks) Perform(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	var ids []string
	for line := range strings.Lines(string(body)) {
		if _, rest, ok := strings.Cut(line, `"_id":"`); ok {
			id, _, _ := strings.Cut(rest, `"`)
			ids = append(ids, id)
		}
	}
	b.mu.Lock()
	b.now++
	b.most = max(b.most, b.now)
	b.sent = append(b.sent, ids...)
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.now--
	}()
	return b.answer(ids)
}

// itemsOf returns the answer of a server that refuses the products with one of the statuses. The answer to product p60
// asks for a delay.
func itemsOf(ids []string, statuses map[string]int) *http.Response {
	items := make([]string, len(ids))
	for i, id := range ids {
		items[i] = `{"index":{"status":200}}`
		if status := statuses[id]; status != 0 {
			items[i] = fmt.Sprintf(`{"index":{"status":%d,"error":{"type":"x","reason":"of %s"}}}`, status, id)
		}
	}
	res := jsonAnswer(http.StatusOK, `{"errors":true,"items":[`+strings.Join(items, ",")+`]}`)
	if slices.Contains(ids, "p60") {
		res.Header.Set("Retry-After", "7")
	}
	return res
}

func jsonAnswer(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

func manyChanges(n int) (changes []reindex.Change, ids []string) {
	for i := range n {
		changes = append(changes, upsert(fmt.Sprint("p", i), "1"))
		ids = append(ids, changes[i].ID)
	}
	return changes, ids
}

func (b *bulks) writer(t *testing.T) writer {
	t.Helper()
	ix, err := New(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	return writer{ix: ix, tenant: acme, index: "i", alias: "a", live: true}
}

// The requests of an Update are at the server at the same time, at most four of them, and have each change once. Update
// does not return before all of them have ended, even if one has failed.
func TestChangesAreSentTogether(t *testing.T) {
	for n, want := range map[int]int{1: 1, 199: 1, 200: 2, 399: 4, 400: 4, 1000: 4} {
		synctest.Test(t, func(t *testing.T) {
			b := &bulks{}
			b.answer = func(ids []string) (*http.Response, error) {
				<-time.After(time.Second)
				if slices.Contains(ids, "p0") {
					return jsonAnswer(http.StatusServiceUnavailable, `{"error":{"type":"x"}}`), nil
				}
				<-time.After(time.Minute)
				return itemsOf(ids, nil), nil
			}
			changes, ids := manyChanges(n)
			sent, _ := operations(changes)
			err := b.writer(t).writeTogether(t.Context(), sent, nil)
			if !isTemporary(err) {
				t.Errorf("%d changes: error %v, want a temporary one", n, err)
			}
			if b.now != 0 || b.most != want {
				t.Errorf("%d changes: %d requests at the same time, %d left; want %d and 0", n, b.most, b.now, want)
			}
			slices.Sort(b.sent)
			slices.Sort(ids)
			if !slices.Equal(b.sent, ids) {
				t.Errorf("%d changes were sent, want each of %d once", len(b.sent), n)
			}
		})
	}
}

// failsWith reports whether err is a [reindex.BatchError] of exactly these products that asks for this delay. The map
// holds whether each product is retryable.
func failsWith(err error, wait time.Duration, products map[string]bool) bool {
	failed, ok := errors.AsType[*reindex.BatchError](err)
	if !ok {
		return false
	}
	retryable := map[string]bool{}
	for _, item := range failed.Items {
		retryable[item.ID] = item.Retryable
	}
	return failed.RetryAfter == wait && maps.Equal(retryable, products)
}

// The outcome of requests is that of one request with all their changes.
func TestOutcomeOfRequestsTogether(t *testing.T) {
	fails := func(status int, kind string) answers {
		return answers{status: status, body: `{"error":{"type":"` + kind + `","reason":"injected"}}`}
	}
	busy, refused, gone := "p10", "p130", "p399" // each in another request of 100 products
	for _, test := range []struct {
		name    string
		answers map[string]answers // of the request that has a product
		items   map[string]int
		want    func(error) bool
	}{
		{name: "all accepted", want: func(err error) bool { return err == nil }},
		{
			name: "products refused", items: map[string]int{"p0": 400, "p60": 429, "p199": 400},
			want: func(err error) bool {
				return failsWith(err, 7*time.Second, map[string]bool{"unfit": false, "p0": false, "p60": true, "p199": false})
			},
		},
		{
			name: "busy", answers: map[string]answers{busy: fails(http.StatusTooManyRequests, "x")},
			items: map[string]int{"p60": 400}, want: isTemporary,
		},
		{
			name: "too large", answers: map[string]answers{
				busy: fails(http.StatusTooManyRequests, "x"), refused: fails(http.StatusRequestEntityTooLarge, "x"),
			},
			want: func(err error) bool { return errors.Is(err, reindex.ErrTooLarge) },
		},
		{
			name: "gone", answers: map[string]answers{
				busy:    fails(http.StatusTooManyRequests, "x"),
				refused: fails(http.StatusRequestEntityTooLarge, "x"), gone: fails(http.StatusNotFound, typeNotFound),
			},
			want: func(err error) bool { return hasType(err, typeNotFound) && !isTemporary(err) },
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := &bulks{answer: func(ids []string) (*http.Response, error) {
				for id, answer := range test.answers {
					if slices.Contains(ids, id) {
						return answer.Perform(nil)
					}
				}
				return itemsOf(ids, test.items), nil
			}}
			changes, _ := manyChanges(400)
			sent, _ := operations(changes)
			var unfit []reindex.ItemError
			if test.items != nil {
				unfit = []reindex.ItemError{{ID: "unfit", Err: errors.New("unfit")}}
			}
			if err := b.writer(t).writeTogether(t.Context(), sent, unfit); !test.want(err) {
				t.Errorf("%s: error %v, want that of one request with all changes", test.name, err)
			}
		})
	}
}

// If the transport panics or ends its goroutine, the call fails, and the program goes on.
func TestTransportThatPanicsBesideOthers(t *testing.T) {
	changes, _ := manyChanges(200)
	sent, _ := operations(changes)
	for name, end := range map[string]func(){"panic": func() { panic("broken") }, "Goexit": runtime.Goexit} {
		b := &bulks{answer: func(ids []string) (*http.Response, error) {
			if slices.Contains(ids, "p60") {
				end()
			}
			return itemsOf(ids, nil), nil
		}}
		err := b.writer(t).writeTogether(t.Context(), sent, nil)
		_, panicked := errors.AsType[*reindex.PanicError](err)
		if panicked != (name == "panic") || err == nil || isTemporary(err) {
			t.Errorf("%s: error %v, want a lasting one", name, err)
		}
	}
}
