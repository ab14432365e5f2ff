package meilitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
)

func (p *player) compare(i int, st step, status int, header http.Header, body []byte) {
	t := p.t
	where := fmt.Sprintf("step %d, %s: %s %.200s", i, st.Note, st.Request.Method, st.Request.Path)
	if status != st.Response.Status {
		t.Errorf("%s\n got status %d: %.500s\nwant %d: %.500s", where, status, body, st.Response.Status, st.Response.Body)
		return
	}
	wantType := any("application/json")
	if st.Response.Headers != nil {
		wantType = st.Response.Headers["content-type"]
		if want := st.Response.Headers["content-encoding"]; want != nil && header.Get("Content-Encoding") != want {
			t.Errorf("%s\n got content-encoding %q, want %q", where, header.Get("Content-Encoding"), want)
		}
	}
	if got := header.Get("Content-Type"); wantType != nil && got != wantType || wantType == nil && got != "" {
		t.Errorf("%s\n got content-type %q, want %v", where, got, wantType)
	}
	if string(st.Response.Body) == "null" && len(body) == 0 {
		return
	}
	got := p.decode(body)
	switch {
	case st.Timing == "immediate":
		return
	case st.Response.Has != nil:
		want := p.decode([]byte(expand(string(st.Response.Has)))).(map[string]any)
		for k, v := range want {
			one := func(v any) any { return p.stripped("", map[string]any{k: v}) }
			if g := got.(map[string]any)[k]; !reflect.DeepEqual(one(g), one(v)) {
				t.Errorf("%s\n got %s: %v\nwant %v", where, k, g, v)
			}
		}
	default:
		want := p.decode([]byte(expand(string(st.Response.Body))))
		p.learnKey(want, got)
		if !reflect.DeepEqual(p.stripped("", got), p.stripped("", want)) {
			t.Errorf("%s\n got %.1500s\nwant %.1500s", where, show(p.stripped("", got)), show(p.stripped("", want)))
		}
	}
}

func show(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// compareEnded compares an ended task with the one in the recording.
func (p *player) compareEnded(i int, st step, uid int) {
	st.Request.Method, st.Request.Path = http.MethodGet, fmt.Sprintf("/tasks/%d", uid)
	st.Request.Body, st.Request.Headers = nil, nil
	st.Response.Status, st.Response.Headers, st.Response.Body, st.Timing = http.StatusOK, nil, nil, ""
	has, err := json.Marshal(st.TaskEnded)
	if err != nil {
		p.t.Fatal(err)
	}
	st.Response.Has, st.Note = has, st.Note+", ended"
	status, header, body := p.send(st)
	p.compare(i, st, status, header, body)
}

// learnKey stores the value of a new key under its label in the recording.
func (p *player) learnKey(want, got any) {
	w, ok := want.(map[string]any)
	if !ok {
		return
	}
	if label, ok := w["key"].(string); ok {
		p.keys[label], _ = got.(map[string]any)["key"].(string)
	}
}

func (p *player) decode(body []byte) any {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		p.t.Fatalf("the body %.300s is not JSON: %v", body, err)
	}
	return v
}

// stripped returns a value without the fields that differ from one run to the next.
func (p *player) stripped(name string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			switch {
			case slices.Contains(volatile, k), k == "expiresAt" && e != nil, k == "key":
			case k == "batchUid" && p.name == "reindex": // consecutive tasks can share a batch
			case k == "uid" && v["actions"] != nil && !strings.HasPrefix(fmt.Sprint(e), "00000000"):
			default:
				out[k] = p.stripped(k, e)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = p.stripped(name, e)
		}
		return out
	}
	return v
}

// volatile are the fields whose values differ from one run to the next.
var volatile = []string{
	"enqueuedAt", "startedAt", "finishedAt", "duration", "createdAt", "updatedAt", "lastUpdate", "processingTimeMs",
	"requestUid", "databaseSize", "usedDatabaseSize", "rawDocumentDbSize", "avgDocumentSize", "commitSha", "commitDate",
}
