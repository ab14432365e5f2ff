package esindex

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"productindex/reindex"
)

// For all ids and bodies, a request has one line for each action, and one for the body of each product that is not
// deleted.
func FuzzBulk(f *testing.F) {
	f.Add("1", `{"a":1}`, `"\`+"\u2028", `{"b":"ü"}`)
	f.Add("a\x01\n", `{}`, `},{"index":{"_id":"x`, `{"c":[]}`)
	f.Fuzz(func(t *testing.T, id1, body1, id2, body2 string) {
		products := []reindex.Product{{ID: id1, Body: []byte(body1)}, {ID: id2, Body: []byte(body2)}}
		sent, _ := admit(products)
		if len(sent) < 2 || !utf8.ValidString(id1) || !utf8.ValidString(id2) {
			t.Skip("Elasticsearch does not accept these products")
		}
		sent = []reindex.Product{sent[0], {ID: id2}, sent[1]}
		b := newBulk(sent)
		defer b.release()
		r, err := b.open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(iotest.OneByteReader(r))
		if err != nil {
			t.Fatal(err)
		}
		if int64(len(text)) != b.length {
			t.Errorf("the length of the request is %d, want %d", b.length, len(text))
		}
		lines := bytes.Split(bytes.TrimSuffix(text, lineFeed), lineFeed)
		if len(lines) != 5 {
			t.Fatalf("the request has %d lines, want 5: %q", len(lines), text)
		}
		for _, p := range sent {
			var action map[string]struct {
				ID string `json:"_id"`
			}
			kind := "index"
			if deletes(p) {
				kind = "delete"
			}
			if err := json.Unmarshal(lines[0], &action); err != nil || len(action) != 1 || action[kind].ID != p.ID {
				t.Errorf("action %q, error %v, want %s with the id %q", lines[0], err, kind, p.ID)
			}
			lines = lines[1:]
			if deletes(p) {
				continue
			}
			if !bytes.Equal(lines[0], p.Body) {
				t.Errorf("body %q, want %q", lines[0], p.Body)
			}
			lines = lines[1:]
		}
	})
}

func TestBulkReader(t *testing.T) {
	b := newBulk([]reindex.Product{
		{ID: "1", Body: []byte(`{"a":1}`)}, {ID: `gone"`}, {ID: `2"`, Body: []byte(`{}`)}, {ID: "3"},
	})
	r, _ := b.open()
	want := `{"index":{"_id":"1"}}` + "\n" + `{"a":1}` + "\n" + `{"delete":{"_id":"gone\""}}` + "\n" +
		`{"index":{"_id":"2\""}}` + "\n{}\n" + `{"delete":{"_id":"3"}}` + "\n"
	if b.length != int64(len(want)) {
		t.Errorf("the length of the request is %d, want %d", b.length, len(want))
	}
	if err := iotest.TestReader(r, []byte(want)); err != nil {
		t.Error(err)
	}
	late, _ := b.open()
	b.release()
	if n, err := late.Read(make([]byte, 10)); n != 0 || !errors.Is(err, errReleased) {
		t.Errorf("a read after the release: %d bytes, error %v, want %v", n, err, errReleased)
	}
}

func TestAdmit(t *testing.T) {
	good := reindex.Product{ID: "good", Body: []byte(`{}`)}
	batch := []reindex.Product{
		good, {ID: strings.Repeat("x", 513), Body: good.Body}, {ID: strings.Repeat("é", 256), Body: good.Body},
		{Body: good.Body}, {ID: "bodiless"},
		{ID: "injected", Body: []byte("{}\n{\"delete\":{\"_index\":\"other\",\"_id\":\"1\"}}")}, good,
	}
	fit, unfit := admit(batch)
	if len(fit) != 3 || len(unfit) != 4 || unfit[0].ID != batch[1].ID || unfit[1].ID != "" ||
		unfit[2].ID != "bodiless" || unfit[3].ID != "injected" {
		t.Errorf("accepted %v, refused %v, want 3 accepted and 4 refused", fit, unfit)
	}
	for _, item := range unfit {
		if item.Retryable {
			t.Errorf("the error %v is retryable", item)
		}
	}
}

// idsOf returns the ids of products that have failed, each with a + if it is retryable.
func idsOf(failed []reindex.ItemError) (ids string) {
	for _, f := range failed {
		ids += f.ID
		if f.Retryable {
			ids += "+"
		}
	}
	return ids
}

func TestFailedItems(t *testing.T) {
	products := []reindex.Product{{ID: "a", Body: []byte(`{}`)}, {ID: "b", Body: []byte(`{}`)}}
	item := func(status, kind string) string {
		return `{"index":{"status":` + status + `,"error":{"type":"` + kind + `","reason":"why"}}}`
	}
	ok := `{"index":{"status":201}}`
	for _, test := range []struct {
		name, text string
		failed     string // the ids, with a + if retryable
		broken     bool
	}{
		{name: "success", text: `{"errors":false,"items":[` + ok + `,` + ok + `]}`},
		{name: "success, in another order", text: `{"items":[` + ok + `,` + ok + `],"errors":false}`},
		{
			name: "overload",
			text: `{"errors":true,"items":[` + ok + `,` + item("429", "es_rejected_execution_exception") + `]}`, failed: "b+",
		},
		{
			name: "no shard", text: `{"errors":true,"items":[` + item("503", "unavailable_shards_exception") + `,` + ok + `]}`,
			failed: "a+",
		},
		{
			name: "no master", text: `{"errors":true,"items":[` + item("503", "cluster_block_exception") + `,` + ok + `]}`,
			failed: "a+",
		},
		{
			name: "breaker", text: `{"errors":true,"items":[` + item("429", "circuit_breaking_exception") + `,` + ok + `]}`,
			failed: "a+",
		},
		{
			name:   "mapping",
			text:   `{"errors":true,"items":[` + item("400", "document_parsing_exception") + `,` + item("429", "x") + `]}`,
			failed: "ab+",
		},
		{name: "errors of items without errors", text: `{"errors":true,"items":[` + ok + `,` + ok + `]}`},
		{
			name: "a status without an error", text: `{"errors":true,"items":[` + ok + `,{"index":{"status":400}}]}`,
			failed: "b",
		},
		{name: "empty", text: ``, broken: true},
		{name: "no object", text: `[]`, broken: true},
		{name: "nothing in it", text: `{}`, broken: true},
		{name: "cut off", text: `{"errors":false,"items":[` + ok + `,`, broken: true},
		{name: "cut off at an item", text: `{"errors":true,"items":[` + ok + `]}`, broken: true},
		{name: "a page", text: `<html>`, broken: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			failed, err := failedItems([]byte(test.text), products)
			if (err != nil) != test.broken {
				t.Fatalf("decoding the answer: error %v, want one: %v", err, test.broken)
			}
			if got := idsOf(failed); got != test.failed {
				t.Errorf("failed %q, want %q", got, test.failed)
			}
		})
	}
}

// A deletion can fail as a write can, but it succeeds if the product does not exist.
func TestFailedDeletions(t *testing.T) {
	products := []reindex.Product{{ID: "a", Body: []byte(`{}`)}, {ID: "b"}}
	for text, want := range map[string]string{
		`{"status":200}`: "",
		`{"status":404}`: "",
		`{"status":404,"error":{"type":"index_not_found_exception","reason":"why"}}`:       "b",
		`{"status":403,"error":{"type":"security_exception","reason":"why"}}`:              "b",
		`{"status":429,"error":{"type":"es_rejected_execution_exception","reason":"why"}}`: "b+",
		`{}`: "b",
	} {
		failed, err := failedItems([]byte(`{"errors":true,"items":[{"index":{"status":200}},{"delete":`+text+`}]}`), products)
		if got := idsOf(failed); err != nil || got != want {
			t.Errorf("%s: failed %q, error %v, want %q", text, got, err, want)
		}
	}
}

func FuzzFailedItems(f *testing.F) {
	f.Add([]byte(
		`{"errors":true,"items":[{"index":{"status":201}},{"index":{"status":400,"error":{"type":"t","reason":"r"}}}]}`,
	))
	f.Add([]byte(`{"errors":false,"items":[]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		failed, err := failedItems(text, []reindex.Product{{ID: "a", Body: []byte(`{}`)}, {ID: "b"}})
		if err != nil && failed != nil || len(failed) > 2 {
			t.Errorf("failed %v, error %v, want at most 2 products or an error", failed, err)
		}
	})
}
