package oauth

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"productindex/httpapi"
)

// headers has values of Authorization headers and the tokens in them. The token is empty if the header has none.
var headers = []struct {
	values []string
	token  string
}{
	{[]string{"Bearer abc"}, "abc"},
	{[]string{"bearer abc"}, "abc"},
	{[]string{"BEARER   abc=="}, "abc=="},
	{[]string{"Bearer a-b.c_d~e+f/0=="}, "a-b.c_d~e+f/0=="},
	{[]string{"Bearer " + strings.Repeat("x", maxTokenBytes)}, strings.Repeat("x", maxTokenBytes)},

	{nil, ""},
	{[]string{""}, ""},
	{[]string{"Bearer"}, ""},
	{[]string{"Bearer "}, ""},
	{[]string{"Bearer ="}, ""},
	{[]string{"abc"}, ""},
	{[]string{"Basic abc"}, ""},
	{[]string{"Bearerabc"}, ""},
	{[]string{" Bearer abc"}, ""},
	{[]string{"Bearer\tabc"}, ""},
	{[]string{"Bearer abc def"}, ""},
	{[]string{"Bearer abc,"}, ""},
	{[]string{"Bearer abc, Bearer def"}, ""},
	{[]string{"Bearer a=b"}, ""},
	{[]string{`Bearer "abc"`}, ""},
	{[]string{"Bearer äbc"}, ""},
	{[]string{"Bearer abc\x00"}, ""},
	{[]string{"Bearer abc\r\nX: y"}, ""},
	{[]string{"Bearer " + strings.Repeat("x", maxTokenBytes+1)}, ""},
	{[]string{"Bearer abc", "Bearer abc"}, ""},
	{[]string{"Bearer abc", ""}, ""},
	{[]string{"Basic abc", "Bearer abc"}, ""},
}

func TestBearer(t *testing.T) {
	for _, tc := range headers {
		got, err := bearer(http.Header{"Authorization": tc.values})
		if got != tc.token || (err == nil) != (tc.token != "") || err != nil && !errors.Is(err, httpapi.ErrInvalidToken) {
			t.Errorf("%.99q: got %.99q, error %v, want %.99q", tc.values, got, err, tc.token)
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/?access_token=abc", strings.NewReader("access_token=abc"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Cookie", "access_token=abc")
	if got, err := bearer(r.Header); err == nil {
		t.Errorf("got the token %q from a query, a body or a cookie, want an error", got)
	}
}

// FuzzAuthorization checks that the token of a header conforms to the grammar of RFC 6750. No Authorizer accepts such a
// token, panics, or repeats it in an error.
func FuzzAuthorization(f *testing.F) {
	for _, tc := range headers {
		if len(tc.values) > 0 && len(tc.values[0]) < 1000 {
			f.Add(tc.values[0])
		}
	}
	for _, token := range []string{
		"eyJhbGciOiJub25lIn0.e30.", "eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6IjEifQ.e30.AAAA",
		"eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6IjEifQ.e30.AAAA",
		"bnVsbA.bnVsbA.", "e30.e30.e30", "...",
	} {
		f.Add("Bearer " + token)
	}
	noServer := &http.Client{
		Transport: roundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("no server") }),
	}
	byKeys, err := JWT(
		JWTConfig{
			Issuer:   "https://auth.example",
			Audience: []string{"x"},
			JWKS:     "https://auth.example/keys",
			Claims:   Claims{Tenant: "tenant"},
			Client:   noServer,
		},
	)
	if err != nil {
		f.Fatal(err)
	}
	byHash, err := Static(
		StaticToken{SHA256: strings.Repeat("0", 64), Tenants: []string{AnyTenant}, Scopes: []string{httpapi.ScopeManage}},
	)
	if err != nil {
		f.Fatal(err)
	}
	grammar := regexp.MustCompile(`^[A-Za-z0-9._~+/-]+=*$`)
	f.Fuzz(func(t *testing.T, value string) {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header["Authorization"] = []string{value}
		token, err := bearer(r.Header)
		if err == nil && (!grammar.MatchString(token) || !strings.HasSuffix(value, " "+token)) {
			t.Fatalf("%q: got the token %q, want one of the grammar", value, token)
		}
		if want := regexp.MustCompile(`^(?i:bearer) +[A-Za-z0-9._~+/-]+=*$`).MatchString(value) &&
			len(token) <= maxTokenBytes; want != (err == nil) &&
			len(value) < maxTokenBytes {
			t.Fatalf("%q: got error %v, want a token: %v", value, err, want)
		}
		for _, authorize := range []httpapi.Authorizer{byKeys, byHash} {
			err := authorize(r, "acme", httpapi.ScopeManage)
			if err == nil {
				t.Fatalf("%q is accepted, want an error", value)
			}
			if len(token) > 20 && strings.Contains(err.Error(), token) {
				t.Fatalf("the token %q is in the error %v, want it nowhere", token, err)
			}
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
