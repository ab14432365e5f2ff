package meilitest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
)

// call is a request that is being served.
type call struct {
	s      *Server
	r      *http.Request
	key    *key
	params []string // the variable parts of the path
	body   []byte
	ndjson bool
}

// answer holds the status and the body of a response, which has no body if body is nil.
type answer struct {
	status int
	body   any
}

type route struct {
	method string
	path   string // "*" matches one part; the first "*" of a path under /indexes is the index
	action string // the action that the key must permit; empty if no key is needed
	body   bodyKind
	handle func(c *call) (answer, error)
}

type bodyKind int

const (
	noBody bodyKind = iota
	jsonBody
	documentsBody
)

// serve serves a request, or makes it fail with the injected fault.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	var fault *Fault
	s.mu.Lock()
	inject := s.fault
	s.mu.Unlock()
	if inject != nil {
		fault = inject(r)
	}
	if fault == nil {
		s.answer(w, r)
		return
	}
	if fault.After {
		s.answer(httptest.NewRecorder(), r)
	}
	if fault.Status == 0 {
		panic(http.ErrAbortHandler) // makes net/http close the connection
	}
	drain(r)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(fault.Status)
	_, _ = io.WriteString(w, fault.Body)
}

// drain reads the rest of a body, so that net/http does not close the connection while the client sends.
func drain(r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }

func (s *Server) answer(w http.ResponseWriter, r *http.Request) {
	a, err := s.dispatch(r)
	drain(r)
	if failed, ok := errors.AsType[*TaskError](err); ok {
		a = answer{failed.status, failed}
	}
	var out io.Writer = w
	if a.body != nil {
		w.Header().Set("Content-Type", "application/json")
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			defer func() { _ = z.Close() }()
			out = z
		}
	}
	w.WriteHeader(a.status)
	if a.body != nil {
		_, _ = out.Write(encode(a.body))
	}
}

func (s *Server) dispatch(r *http.Request) (answer, error) {
	parts := splitPath(r.URL.EscapedPath())
	found := false
	for _, rt := range routes() {
		params, ok := match(rt.path, parts)
		if !ok {
			continue
		}
		found = true
		if rt.method != r.Method {
			continue
		}
		c := &call{s: s, r: r, params: params}
		if err := c.prepare(rt); err != nil {
			return answer{}, err
		}
		return rt.handle(c)
	}
	if found {
		return answer{status: http.StatusMethodNotAllowed}, nil
	}
	return answer{status: http.StatusNotFound}, nil
}

func splitPath(path string) []string {
	var parts []string
	for part := range strings.SplitSeq(path, "/") {
		if part == "" {
			continue
		}
		if plain, err := url.PathUnescape(part); err == nil {
			part = plain
		}
		parts = append(parts, part)
	}
	return parts
}

func match(path string, parts []string) (params []string, ok bool) {
	want := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if len(want) != len(parts) {
		return nil, false
	}
	for i, w := range want {
		if w == "*" {
			params = append(params, parts[i])
		} else if w != parts[i] {
			return nil, false
		}
	}
	return params, true
}

// prepare checks the key, the index and the content type, in this order, and reads the body.
func (c *call) prepare(rt route) error {
	inIndex := strings.HasPrefix(rt.path, "/indexes/*")
	if rt.action != "" {
		index := ""
		if inIndex {
			index = c.params[0]
		}
		if err := c.authorize(rt.action, index); err != nil {
			return err
		}
	}
	if inIndex && !validUID(c.params[0]) {
		return badRequest("invalid_index_uid", "`%s` %s", c.params[0], uidRule)
	}
	if rt.body == noBody {
		return nil
	}
	if err := c.checkContentType(rt.body); err != nil {
		return err
	}
	return c.readBody(rt.body)
}

func (c *call) checkContentType(kind bodyKind) error {
	accepted := "`application/json`"
	if kind == documentsBody {
		accepted = "`application/json`, `application/x-ndjson`, `text/csv`"
	}
	header := c.r.Header.Get("Content-Type")
	if header == "" {
		return invalid(http.StatusUnsupportedMediaType, "missing_content_type",
			"A Content-Type header is missing. Accepted values for the Content-Type header are: %s", accepted)
	}
	kindOf, _, err := mime.ParseMediaType(header)
	c.ndjson = kindOf == "application/x-ndjson"
	if err != nil || kindOf != "application/json" && (!c.ndjson || kind != documentsBody) {
		return invalid(http.StatusUnsupportedMediaType, "invalid_content_type",
			"The Content-Type `%s` is invalid. Accepted values for the Content-Type header are: %s", header, accepted)
	}
	return nil
}

func (c *call) readBody(kind bodyKind) error {
	limit := c.s.PayloadLimit
	if kind == jsonBody && c.r.ContentLength > int64(limit) {
		return internalError(sprintf("JSON payload (%d bytes) is larger than allowed (limit: %d bytes).",
			c.r.ContentLength, limit))
	}
	var body io.Reader = c.r.Body
	if c.r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(c.r.Body)
		if err != nil {
			return corruptGzip(kind)
		}
		body = z
	}
	data, err := io.ReadAll(io.LimitReader(body, int64(limit)+1))
	switch {
	case err != nil:
		return corruptGzip(kind)
	case len(data) > limit && kind == documentsBody:
		return invalid(http.StatusRequestEntityTooLarge, "payload_too_large",
			"The provided payload reached the size limit. The maximum accepted payload size is %s.", size(limit))
	case len(data) > limit:
		return invalid(http.StatusRequestEntityTooLarge, "payload_too_large",
			"JSON payload has exceeded limit (%d bytes).", limit)
	case len(data) == 0:
		what := "json"
		if c.ndjson {
			what = "ndjson"
		}
		return badRequest("missing_payload", "A %s payload is missing.", what)
	}
	c.body = data
	return nil
}

func corruptGzip(kind bodyKind) error {
	if kind == documentsBody {
		return badRequest("bad_request", "The provided payload is incomplete and cannot be parsed")
	}
	return badRequest("bad_request", "Error that occur during reading payload: payload reached EOF before completing: "+
		`Some(Custom { kind: InvalidInput, error: "corrupt gzip stream does not have a matching checksum" })`)
}

// size returns a size as the server's messages give it.
func size(n int) string {
	if n%1_000_000 == 0 {
		return sprintf("%d MB", n/1_000_000)
	}
	return sprintf("%d B", n)
}

// json parses the body of a request that does not add documents.
func (c *call) json() (any, error) {
	s := &scanner{data: c.body}
	text, err := s.value()
	if err == nil && !s.done() {
		err = s.fail(s.pos+1, "trailing characters")
	}
	if err != nil {
		return nil, badRequest("malformed_payload", "The json payload provided is malformed. `%s`.", err)
	}
	return parseValue(bytes.TrimSpace(text))
}

// object parses the body, which must be an object. It returns an error if the object has members other than names.
func (c *call) object(names ...string) (*object, error) {
	v, err := c.json()
	if err != nil {
		return nil, err
	}
	o, ok := v.(*object)
	if !ok {
		return nil, badRequest("bad_request", "Invalid value type: expected an object, but found %s", describe(v))
	}
	return o, known(o, "", names)
}

// known returns an error if an object has members other than names.
func known(o *object, where string, names []string) error {
	for _, k := range o.keys {
		if !slices.Contains(names, k) {
			return badRequest("bad_request", "Unknown field `%s`%s: %s", k, where, expectedOneOf(names))
		}
	}
	return nil
}
