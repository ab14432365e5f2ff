package meilitest

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// scenario is a file of exchanges recorded from a real server.
type scenario struct {
	Scenario string `json:"scenario"`
	Steps    []step `json:"steps"`
}

type step struct {
	Note      string `json:"note"`
	Timing    string `json:"timing"`
	WaitUntil string `json:"wait until"` //nolint:tagliatelle // as recorded
	TaskEnded any    `json:"task ended"` //nolint:tagliatelle // as recorded
	Request   struct {
		Method  string            `json:"method"`
		Path    string            `json:"path"`
		Headers map[string]string `json:"headers"`
		Body    json.RawMessage   `json:"body"`
		Sent    string            `json:"sent"`
	} `json:"request"`
	Response struct {
		Status  int             `json:"status"`
		Headers map[string]any  `json:"headers"`
		Body    json.RawMessage `json:"body"`
		Has     json.RawMessage `json:"body has"` //nolint:tagliatelle // as recorded
	} `json:"response"`
}

// volatile are the fields that change from run to run.
var volatile = []string{
	"enqueuedAt", "startedAt", "finishedAt", "duration", "createdAt", "updatedAt", "lastUpdate", "processingTimeMs",
	"requestUid",
	"databaseSize", "usedDatabaseSize", "rawDocumentDbSize", "avgDocumentSize", "commitSha", "commitDate",
}

// TestReplay sends every recorded request to a fresh emulator and compares status and body with what the real server
// answered.
func TestReplay(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "exchanges", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			t.Parallel()
			replay(t, file)
		})
	}
}

type player struct {
	t    *testing.T
	s    *Server
	name string
	keys map[string]string
	// until is the step up to which a task is held in processing.
	until   map[int]int
	expires time.Time
}

func replay(t *testing.T, file string) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var sc scenario
	if err := json.Unmarshal(data, &sc); err != nil {
		t.Fatal(err)
	}
	s := New()
	defer s.Close()
	s.PayloadLimit = 1_000_000
	p := &player{t: t, s: s, name: sc.Scenario, keys: map[string]string{"MASTER_KEY": MasterKey}, until: held(sc.Steps)}
	for uid := range p.until {
		s.Hold(uid)
	}
	for i, st := range sc.Steps {
		p.play(i, st)
	}
}

// held finds the tasks that the recording shows as being processed while other requests went on, with the last step
// that needs it.
func held(steps []step) map[int]int {
	until := map[int]int{}
	for i, st := range steps {
		var body struct {
			TaskUID *int   `json:"taskUid"`
			UID     *int   `json:"uid"`
			Status  string `json:"status"`
		}
		if json.Unmarshal(st.Response.Body, &body) != nil {
			continue
		}
		if st.WaitUntil == Processing && body.TaskUID != nil {
			until[*body.TaskUID] = i
		}
		if st.Timing == "busy" && body.UID != nil && body.Status == Processing {
			until[*body.UID] = i
		}
	}
	return until
}

// release lets go of the tasks that no later step wants to see in processing, once the step asks for something that has
// ended.
func (p *player) release(i int, st step) {
	if st.Timing == "settled" || st.Timing == "" && st.Request.Method == http.MethodGet {
		for uid, last := range p.until {
			if last < i {
				p.s.Release(uid)
			}
		}
	}
}

func (p *player) play(i int, st step) {
	p.release(i, st)
	if st.Timing == "after expiresAt" {
		p.waitFor(func() bool { return time.Now().After(p.expires) })
	}
	if uid, isTask := taskOf(st.Request.Path); isTask && st.Timing == "settled" {
		p.wait(uid, Ended)
	}
	if uid, isTask := taskOf(st.Request.Path); isTask && st.Timing == "busy" && p.until[uid] == i {
		p.wait(uid, func(s string) bool { return s == Processing })
	}
	status, header, body := p.send(st)
	p.compare(i, st, status, header, body)
	if st.Response.Status != http.StatusAccepted && st.Response.Status != http.StatusOK {
		return
	}
	var enqueued struct {
		TaskUID *int `json:"taskUid"`
	}
	if json.Unmarshal(body, &enqueued) != nil || enqueued.TaskUID == nil {
		return
	}
	switch {
	case st.TaskEnded != nil:
		p.wait(*enqueued.TaskUID, Ended)
		p.compareEnded(i, st, *enqueued.TaskUID)
	case st.WaitUntil != "":
		p.wait(*enqueued.TaskUID, func(s string) bool { return s == st.WaitUntil })
	}
}

// waitFor waits for a moment of the clock, which the recording of a key that expires needs.
func (p *player) waitFor(condition func() bool) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		<-tick.C
	}
}

func (p *player) wait(uid int, until func(string) bool) {
	ctx, cancel := context.WithTimeout(p.t.Context(), 3*time.Minute)
	defer cancel()
	if err := p.s.Wait(ctx, uid, until); err != nil {
		status, _ := p.s.Task(uid)
		p.t.Fatalf("task %d is %s: %v", uid, status, err)
	}
}

func taskOf(path string) (uid int, ok bool) {
	text, found := strings.CutPrefix(path, "/tasks/")
	uid, err := strconv.Atoi(text)
	return uid, found && err == nil
}

func (p *player) send(st step) (int, http.Header, []byte) {
	t := p.t
	body, contentType := requestBody(t, st.Request.Body)
	if strings.Contains(string(st.Request.Body), "expiresAt\":\"20") && st.Response.Status == http.StatusCreated {
		p.expires = time.Now().Add(2 * time.Second).Truncate(time.Second)
		body = regexp.MustCompile(`"expiresAt":"[^"]*"`).ReplaceAll(body,
			[]byte(`"expiresAt":"`+p.expires.UTC().Format(time.RFC3339)+`"`))
	}
	headers := st.Request.Headers
	if headers == nil {
		headers = map[string]string{"authorization": "Bearer MASTER_KEY"}
		if contentType {
			headers["content-type"] = "application/json"
		}
	}
	if headers["content-encoding"] == "gzip" && st.Request.Sent != "not compressed" {
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		if _, err := w.Write(body); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		body = z.Bytes()
	}
	req, err := http.NewRequestWithContext(t.Context(), st.Request.Method, p.s.URL+expand(st.Request.Path),
		bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range headers {
		for label, key := range p.keys {
			value = strings.ReplaceAll(value, label, key)
		}
		req.Header.Set(name, value)
	}
	transport := &http.Transport{DisableCompression: true, DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatalf("%s: %v", st.Note, err)
	}
	defer func() { _ = resp.Body.Close() }()
	var r io.Reader = resp.Body
	if resp.Header.Get("Content-Encoding") == "gzip" {
		if r, err = gzip.NewReader(resp.Body); err != nil {
			t.Fatal(err)
		}
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, data
}

// requestBody spells out a recorded body: a JSON string is a raw body, anything else is sent as compact JSON.
func requestBody(t *testing.T, recorded json.RawMessage) (body []byte, there bool) {
	t.Helper()
	if len(recorded) == 0 {
		return nil, false
	}
	if recorded[0] == '"' {
		var raw string
		if err := json.Unmarshal(recorded, &raw); err != nil {
			t.Fatal(err)
		}
		if at := loneSurrogate(recorded); at >= 0 {
			t.Fatalf("a lone surrogate in %s", recorded)
		}
		return []byte(expand(raw)), true
	}
	var compacted bytes.Buffer
	if err := json.Compact(&compacted, recorded); err != nil {
		t.Fatal(err)
	}
	return []byte(expand(compacted.String())), true
}

var short = regexp.MustCompile(`\{\{(repeat|words|fields):([^:]*):(\d+)\}\}`)

// expand writes out what a recording abbreviates.
func expand(text string) string {
	return short.ReplaceAllStringFunc(text, func(m string) string {
		parts := short.FindStringSubmatch(m)
		n, _ := strconv.Atoi(parts[3])
		var b strings.Builder
		for i := range n {
			switch parts[1] {
			case "repeat":
				b.WriteString(parts[2])
			case "words":
				if i > 0 {
					b.WriteByte(' ')
				}
				fmt.Fprintf(&b, "%s%d", parts[2], i)
			case "fields":
				if i > 0 {
					b.WriteByte(',')
				}
				fmt.Fprintf(&b, "%q:%d", parts[2]+strconv.Itoa(i), i)
			}
		}
		return b.String()
	})
}

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

func (p *player) compareEnded(i int, st step, uid int) {
	st.Request.Method, st.Request.Path, st.Request.Body, st.Request.Headers = http.MethodGet, fmt.Sprintf("/tasks/%d",
		uid), nil, nil
	st.Response.Status, st.Response.Headers, st.Response.Body, st.Timing = http.StatusOK, nil, nil, ""
	has, err := json.Marshal(st.TaskEnded)
	if err != nil {
		p.t.Fatal(err)
	}
	st.Response.Has, st.Note = has, st.Note+", ended"
	status, header, body := p.send(st)
	p.compare(i, st, status, header, body)
}

// learnKey remembers the value of a key that the recording calls by a label.
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
		p.t.Fatalf("%v in %.300s", err, body)
	}
	return v
}

// stripped leaves out what changes from run to run.
func (p *player) stripped(name string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			switch {
			case slices.Contains(volatile, k), k == "expiresAt" && e != nil, k == "key":
			case k == "batchUid" && p.name == "reindex": // several tasks in a row may share a batch
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
