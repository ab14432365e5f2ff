package main

import (
	"bytes"
	"compress/gzip"
	"strings"
)

// hostileBodies returns requests with hostile bodies and a valid token of acme.
func hostileBodies(token string) []hostile {
	var bomb bytes.Buffer
	w := gzip.NewWriter(&bomb)
	_, _ = w.Write(bytes.Repeat([]byte(" "), 10<<20))
	_ = w.Close()
	const isJSON = "Content-Type: application/json"
	var all []hostile
	for name, body := range map[string]string{
		"huge":                        `{"x":"` + strings.Repeat("x", 100<<10) + `"}`,
		"deep arrays":                 `{"x":` + strings.Repeat("[", 60_000),
		"deep and whole":              `{"x":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + "}",
		"deep objects":                strings.Repeat(`{"x":`, 12_000),
		"duplicate keys":              `{"mode":"FULL","mode":"FULL"}`,
		"duplicate keys, one escaped": `{"mode":"FULL","mod\u0065":"FULL"}`,
		"invalid UTF-8":               "{\"x\":\"\xc3\x28\"}",
		"UTF-16":                      "\xff\xfe{\x00}\x00",
		"byte order mark":             "\ufeff{}",
		"trailing data":               `{} {}`,
		"trailing zero":               "{}\x00",
		"NaN":                         `{"x":NaN}`,
		"comment":                     `{}//`,
		"array":                       `[{"mode":"FULL"}]`,
		"null":                        `null`,
		"null mode":                   `{"mode":null}`,
		"mode in an array":            `{"mode":["FULL"]}`,
		"another mode":                `{"mode":"full"}`,
		"script":                      `<script>alert(1)</script>`,
		"entities":                    `<!DOCTYPE x [<!ENTITY y SYSTEM "file:///etc/passwd">]>`,
	} {
		all = append(all, hostile{name: "body: " + name, wire: raw(line, body, bearer(token), isJSON), status: 400})
	}
	for name, headers := range map[string][]string{
		"none":           nil,
		"text":           {"Content-Type: text/plain"},
		"a form":         {"Content-Type: application/x-www-form-urlencoded"},
		"another JSON":   {"Content-Type: application/merge-patch+json"},
		"two":            {isJSON, isJSON},
		"broken":         {"Content-Type: application/json;;=x"},
		"UTF-7":          {isJSON + "; charset=utf-7"},
		"a compression":  {isJSON, "Content-Encoding: gzip"},
		"an unknown one": {isJSON, "Content-Encoding: identity, x"},
	} {
		all = append(all,
			hostile{name: "type: " + name, wire: raw(line, "{}", append(headers, bearer(token))...), status: 400})
	}
	return append(all,
		hostile{
			name: "compression bomb", wire: raw(line, bomb.String(), bearer(token), isJSON, "Content-Encoding: gzip"),
			status: 400,
		})
}

// hostileFrames returns requests with conflicting or invalid framing. Those with a token have no valid body.
func hostileFrames(token string) []hostile {
	const isJSON, chunked = "Content-Type: application/json", "Transfer-Encoding: chunked"
	auth := bearer(token)
	smuggled := "0\r\n\r\n" + line + "\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
	return []hostile{
		{name: "chunked and a length", wire: raw(line, smuggled, chunked, "Content-Length: 5"), status: 401},
		{name: "a length and chunked", wire: raw(line, smuggled, "Content-Length: 100", chunked), status: 401},
		{name: "chunked twice", wire: raw(line, smuggled, chunked, chunked), status: 501, plain: true},
		{name: "not quite chunked", wire: raw(line, smuggled, "Transfer-Encoding: xchunked"), status: 501, plain: true},
		{
			name: "chunked and identity", wire: raw(line, smuggled, "Transfer-Encoding: chunked, identity"), status: 501,
			plain: true,
		},
		{
			name: "chunked with a tab", wire: raw(line, smuggled, "Transfer-Encoding:\tchunked", auth, "Expect: x"),
			status: 417, plain: true,
		},
		{name: "chunked with a space", wire: raw(line, smuggled, "Transfer-Encoding : chunked"), status: 400, plain: true},
		{
			name: "chunked with a vertical tab", wire: raw(line, smuggled, "Transfer-Encoding: \x0bchunked"), status: 400,
			plain: true,
		},
		{name: "two lengths", wire: raw(line, "{}", "Content-Length: 2", "Content-Length: 3"), status: 400, plain: true},
		{name: "negative length", wire: raw(line, "{}", "Content-Length: -2"), status: 400, plain: true},
		{name: "signed length", wire: raw(line, "{}", "Content-Length: +2"), status: 400, plain: true},
		{name: "hexadecimal length", wire: raw(line, "{}", "Content-Length: 0x2"), status: 400, plain: true},
		{
			name: "length beyond numbers", wire: raw(line, "{}", "Content-Length: 99999999999999999999"), status: 400,
			plain: true,
		},
		{name: "huge length", wire: raw(line, "{}", auth, isJSON, "Content-Length: 9223372036854775807"), status: 400},
		{name: "chunk that is not one", wire: raw(line, "ZZ\r\n{}\r\n0\r\n\r\n", auth, isJSON, chunked), status: 400},
		{name: "negative chunk", wire: raw(line, "-2\r\n{}\r\n0\r\n\r\n", auth, isJSON, chunked), status: 400},
		{
			name: "chunk beyond numbers", wire: raw(line, "FFFFFFFFFFFFFFFFF\r\n{}\r\n0\r\n\r\n", auth, isJSON, chunked),
			status: 400,
		},
		{name: "chunk longer than it says", wire: raw(line, "2\r\n{}xx\r\n0\r\n\r\n", auth, isJSON, chunked), status: 400},
		{
			name: "chunk extension without end",
			wire: raw(line, "2;"+strings.Repeat("x", 20_000)+"\r\n{}\r\n0\r\n\r\n", auth, isJSON, chunked), status: 400,
		},
		{
			name: "chunks of one byte", wire: raw(line, strings.Repeat("1\r\n[\r\n", 5000)+"0\r\n\r\n", auth, isJSON, chunked),
			status: 400,
		},
		{
			name: "HTTP/1.0, chunked",
			wire: raw("POST /indexing/acme/reindex HTTP/1.0", "2\r\n[]\r\n0\r\n\r\n", isJSON, chunked), status: 401,
		},
		{name: "HTTP/1.0", wire: raw("POST /indexing/acme/reindex HTTP/1.0", ""), status: 401},
		{name: "HTTP/1.0 without Host", wire: "POST /indexing/acme/reindex HTTP/1.0\r\n\r\n", status: 401},
		{name: "HTTP/1.1 without Host", wire: line + "\r\n" + auth + "\r\n\r\n", status: 400, plain: true},
		{name: "two Hosts", wire: raw(line, "", auth, "Host: i"), status: 400, plain: true},
		{name: "HTTP/3.0", wire: raw("POST /indexing/acme/reindex HTTP/3.0", "", auth), status: 505, plain: true},
		{name: "HTTP/9", wire: raw("POST /indexing/acme/reindex HTTP/9", "", auth), status: 400, plain: true},
		{name: "HTTP/0.9", wire: "POST /indexing/acme/reindex\r\n\r\n", status: 400, plain: true},
		{name: "lower case", wire: raw("post /indexing/acme/reindex HTTP/1.1", "", auth), status: 405},
		{name: "TRACE", wire: raw("TRACE /indexing/acme/reindex HTTP/1.1", "", auth), status: 405},
		{
			name: "method that is not one", wire: raw("PO(ST /indexing/acme/reindex HTTP/1.1", "", auth), status: 400,
			plain: true,
		},
		{name: "expectation", wire: raw(line, "{}", auth, isJSON, "Expect: 200-ok"), status: 417, plain: true},
		{name: "TLS", wire: "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n", status: 400, plain: true},
		{name: "noise", wire: strings.Repeat("\x00\xff\r\n", 100) + "\r\n", status: 400, plain: true},
		{name: "slow body", wire: raw(line, `{"mode":`, auth, isJSON, "Content-Length: 15"), status: 400},
		{name: "slow chunks", wire: raw(line, "8\r\n{\"mode\":\r\n", auth, isJSON, chunked), status: 400},
		{name: "slow body without a token", wire: raw(line, `{"mode":`, isJSON, "Content-Length: 15"), status: 401},
		{name: "headers that stop", wire: line + "\r\nHost: h\r\nAuthorization: Bea", status: 0},
	}
}
