package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// limitBody sets the time by which the whole body must have arrived, including the rest that net/http reads after the
// handler. net/http removes the limit once the body has ended. A connection without deadlines, as in a test without a
// server, has no limit.
func (h *handler) limitBody(c *call) {
	if c.r.Body != nil && c.r.Body != http.NoBody {
		_ = http.NewResponseController(c.w).SetReadDeadline(time.Now().Add(h.cfg.ReadTimeout))
	}
}

// readObject reads the request's body, which is one JSON object, and returns its fields. An empty body is an object
// without fields.
func (h *handler) readObject(c *call) (map[string]json.RawMessage, error) {
	body, err := h.readBody(c)
	if err != nil || len(body) == 0 {
		return nil, err
	}
	if err := checkContentType(c.r.Header); err != nil {
		return nil, err
	}
	return parseObject(body)
}

// readBody reads the whole body.
func (h *handler) readBody(c *call) ([]byte, error) {
	return h.readBodyUpTo(
		c,
		h.cfg.MaxBodyBytes,
		func(details ...string) *problem { return invalid("Request body too large", details...) },
	)
}

// readBodyUpTo reads the whole body, up to a limit.
func (h *handler) readBodyUpTo(c *call, limit int64, tooLarge func(details ...string) *problem) ([]byte, error) {
	if c.r.Body == nil || c.r.Body == http.NoBody {
		return nil, nil
	}
	tooMuch := fmt.Sprintf("The limit is %d bytes", limit)
	if c.r.ContentLength > limit {
		return nil, tooLarge(tooMuch)
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, limit))
	c.read = len(body)
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, tooLarge(tooMuch)
	}
	if err != nil {
		return nil, invalid("Request body incomplete", "The body did not arrive as announced, or not in time")
	}
	return body, nil
}

// checkContentType accepts JSON in UTF-8 that is not compressed. A body without a type is refused like one with another
// type.
func checkContentType(header http.Header) error {
	return checkType(header, "Send application/json, in UTF-8, without a content encoding", "application/json")
}

// checkType accepts one of several media types, in UTF-8 and not compressed.
func checkType(header http.Header, hint string, accepted ...string) error {
	types := header["Content-Type"]
	if len(types) != 1 {
		return invalid("Content-Type missing or ambiguous", hint)
	}
	mediaType, params, err := mime.ParseMediaType(types[0])
	if err != nil || !slices.Contains(accepted, mediaType) {
		return invalid("Unsupported Content-Type", hint)
	}
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return invalid("Unsupported charset", hint)
	}
	for _, encoding := range header["Content-Encoding"] {
		if !strings.EqualFold(encoding, "identity") {
			return invalid("Unsupported Content-Encoding", hint)
		}
	}
	return nil
}

// parseObject returns the fields of one JSON object (RFC 8259). Its errors are answers. It returns one if the text is
// not JSON or not UTF-8, is not one object, or has two fields of the same name.
func parseObject(body []byte) (map[string]json.RawMessage, error) {
	const malformed = "Malformed JSON"
	if !utf8.Valid(body) {
		return nil, invalid(malformed, "The body is not valid UTF-8")
	}
	var value json.RawMessage
	if err := json.Unmarshal(body, &value); err != nil {
		return nil, invalid(malformed, syntaxDetail(err))
	}
	if value[0] != '{' {
		return nil, invalid("Request body must be a JSON object")
	}
	fields := map[string]json.RawMessage{}
	dec := json.NewDecoder(bytes.NewReader(value))
	_, err := dec.Token() // the brace
	for err == nil && dec.More() {
		err = addField(dec, fields)
	}
	if err != nil {
		return nil, err
	}
	return fields, nil
}

// addField reads a name and a value.
func addField(dec *json.Decoder, fields map[string]json.RawMessage) error {
	name, err := dec.Token()
	if err != nil {
		return err
	}
	key, _ := name.(string)
	if _, ok := fields[key]; ok {
		return invalid("Duplicate field", "Each field of the object may be given once")
	}
	var value json.RawMessage
	if err := dec.Decode(&value); err != nil {
		return err
	}
	fields[key] = value
	return nil
}

func syntaxDetail(err error) string {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Sprintf("At byte %d: %v", syntax.Offset, syntax)
	}
	return "The body is not JSON"
}

// stringField returns a field that is a string; ok is false if there is no such field.
func stringField(fields map[string]json.RawMessage, name string) (s string, ok bool, err error) {
	raw, ok := fields[name]
	if !ok {
		return "", false, nil
	}
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", true, invalid("Invalid "+name, "Field '"+name+"' must be a string")
	}
	return s, true, nil
}
