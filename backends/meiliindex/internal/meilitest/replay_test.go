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
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// scenario is a file of exchanges that were recorded from a real server.
type scenario struct {
	Scenario string `json:"scenario"`
	Steps    []step `json:"steps"`
}

// step is one exchange. Timing and the two fields after it are notes of the recording on when it took place.
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

// The emulator answers each recorded request with the same status, content type and body as the real server.
func TestReplay(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "exchanges", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no recordings, error %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			t.Parallel()
			replay(t, file)
		})
	}
}

// player sends the requests of a scenario to an emulator.
type player struct {
	t       *testing.T
	s       *Server
	name    string            // of the scenario
	keys    map[string]string // by the labels in the recording
	until   map[int]int       // by the uid of a task, the last step during which it is held in processing
	expires time.Time         // when the only key that expires does so
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

// held returns the uids of the tasks that the recording shows in processing during other requests, each with the last
// step that shows it.
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

// release ends the holds of tasks that no later step shows in processing, before a step that shows ended tasks.
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

// waitFor waits until a condition on the clock is true, for the key that expires.
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
		p.t.Fatalf("task %d is still %s: %v", uid, status, err)
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

// requestBody returns the body of a recorded request: the text of a JSON string, or any other value as compact JSON.
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
			t.Fatalf("the recorded body %s has a lone surrogate", recorded)
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

// expand replaces the abbreviations of a recording: {{repeat:text:n}}, {{words:prefix:n}} and {{fields:prefix:n}}.
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
