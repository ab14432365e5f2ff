package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"productindex/httpapi/internal/jobquery"
	"productindex/reindex"
	"productindex/reindex/reindextest"
)

const category = `{"entityType":"CATEGORY"}`

// engineOf returns an engine of an entity type with n entities. Before it completes an index, it waits until release is
// called.
func engineOf(t *testing.T, entityType string, n int, jobs reindex.JobStore) (e *reindex.Engine, release func()) {
	t.Helper()
	ix, _, release := held(reindextest.NewMemory())
	e, err := reindex.New(
		reindextest.Slice(reindextest.Products(n, "1")),
		ix,
		&reindex.Config{EntityType: entityType, Jobs: jobs},
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Shutdown(context.Background()) })
	return e, release
}

// ids returns the ids of a list of jobs.
func (s *service) ids(query string) []string {
	s.t.Helper()
	got := s.send("GET", jobsPath+query, "")
	var jobs []jobquery.View
	if err := json.Unmarshal([]byte(got.body), &jobs); err != nil {
		s.t.Fatalf("got %d %s, error %v, want a list of jobs", got.status, got.body, err)
	}
	ids := []string{}
	for _, job := range jobs {
		ids = append(ids, job.ID)
	}
	return ids
}

// A job is created by the engine of its type. It is found in its current state, whether the engines share a store or
// not.
func TestEntityTypes(t *testing.T) {
	shared := reindex.NewJobs(0)
	for name, stores := range map[string][2]reindex.JobStore{
		"one store": {shared, shared}, "two stores": {reindex.NewJobs(0), reindex.NewJobs(0)},
	} {
		t.Run(name, func(t *testing.T) {
			products, releaseProducts := engineOf(t, "", 100, stores[0])
			categories, releaseCategories := engineOf(t, "CATEGORY", 7, stores[1])
			s := serve(t, products, Config{Engines: []Engine{categories}})
			first := s.create(creation)
			second := s.create(category)
			if joined := s.send("POST", jobsPath, category); joined.status != http.StatusOK || joined.job(t)["id"] != second {
				t.Errorf("joined: got %d %s, want job %s", joined.status, joined.body, second)
			}
			if got := s.post(full); got.status != http.StatusNoContent || len(s.ids("")) != 2 { // joins the job for products
				t.Errorf("got %d %s, with the jobs %q; want 204 and two jobs", got.status, got.body, s.ids(""))
			}
			for id, want := range map[string]string{
				first:  `"PRODUCT","status":"PUBLISHED","phase":"seal","expectedCount":100,"readCount":100,"processedCount":100,`,
				second: `"CATEGORY","status":"PUBLISHED","phase":"seal","expectedCount":7,"readCount":7,"processedCount":7,`,
			} {
				c := s.follow(id, "")
				c.until(func(e seen) bool { return e.Status == "PUBLISHED" })
				c.hang()
				if got := s.send("GET", jobsPath+"/"+id, ""); !strings.Contains(got.body, `{"id":"`+id+`","entityType":`+want) {
					t.Errorf("got %s, want %s", got.body, want)
				}
				if got := s.send("GET", jobsPath, ""); !strings.Contains(got.body, `{"id":"`+id+`","entityType":`+want) {
					t.Errorf("got %s, want %s", got.body, want)
				}
				if got := s.send("GET", jobsPath+"/"+id+"/failures", ""); got.body != "[]" {
					t.Errorf("got the failures %s, want none", got.body)
				}
			}
			if got := s.send("DELETE", jobsPath+"/"+second, ""); got.status != http.StatusAccepted {
				t.Errorf("got %d %s, want %d", got.status, got.body, http.StatusAccepted)
			}
			releaseProducts()
			releaseCategories()
			for id, want := range map[string]string{first: "SUCCESS", second: "FAILURE"} {
				s.follow(id, "").until(func(e seen) bool { return e.Status == want })
			}
			if got := s.send("GET", jobsPath+"/NONE", ""); got.status != http.StatusNotFound {
				t.Errorf("got %d %s, want %d", got.status, got.body, http.StatusNotFound)
			}
		})
	}
}

func TestEntityTypesAreRefused(t *testing.T) {
	products, release := engineOf(t, "", 10, nil)
	categories, _ := engineOf(t, "CATEGORY", 10, nil)
	s := serve(t, products, Config{Engines: []Engine{categories}})
	for _, body := range []string{`{}`, `{"entityType":"BRAND"}`} {
		got := s.send("POST", jobsPath, body)
		if got.status != http.StatusBadRequest || len(got.message.Details) != 1 ||
			!strings.HasSuffix(got.message.Details[0], ": PRODUCT, CATEGORY") &&
				!strings.HasSuffix(got.message.Details[0], "supported: PRODUCT, CATEGORY") {
			t.Errorf("%s: got %d %s, want %d", body, got.status, got.body, http.StatusBadRequest)
		}
	}
	release()
}

// A server may have no engine for products. The older endpoint then answers 400, and all others work.
func TestWithoutProducts(t *testing.T) {
	categories, release := engineOf(t, "CATEGORY", 10, nil)
	brands, releaseBrands := engineOf(t, "Größe & Schnitt", 10, nil)
	releaseBrands()
	release()
	s := serve(t, categories, Config{Engines: []Engine{brands}})
	if got := s.post(full); got.status != http.StatusBadRequest || got.message.Message != "Unsupported entityType" ||
		!slices.Equal(got.message.Details, []string{"Supported entity types: CATEGORY, Größe & Schnitt"}) {
		t.Errorf("got %d %s, want %d %s", got.status, got.body, http.StatusBadRequest, "Unsupported entityType")
	}
	await(t, categories, "acme", s.create(category))
	id := s.create(`{"entityType":"Größe & Schnitt"}`)
	await(t, brands, "acme", id)
	if got := s.ids("?q=" + url.QueryEscape(`entityType:"Größe & Schnitt"`)); !slices.Equal(got, []string{id}) {
		t.Errorf("got jobs %q, want %s", got, id)
	}
}

// The example of a job in the provider's documentation is accepted with an engine for RAG and refused without.
func TestRAG(t *testing.T) {
	const rag = `{"entityType":"PRODUCT","rag":true}`
	shared := reindex.NewJobs(0)
	products, release := engineOf(t, "", 10, shared)
	vectors, releaseVectors := engineOf(t, "PRODUCT_RAG", 7, shared)
	categories, _ := engineOf(t, "CATEGORY", 7, shared)

	s := serve(t, products, Config{Engines: []Engine{categories}})
	got := s.send("POST", jobsPath, rag)
	if got.status != http.StatusBadRequest || got.message.Message != "Unsupported rag" ||
		!strings.Contains(got.body, "no index for retrieval-augmented generation") {
		t.Errorf("without an engine: got %d %s, want %d %s", got.status, got.body, http.StatusBadRequest, "Unsupported rag")
	}

	s = serve(t, products, Config{Engines: []Engine{categories}, RAG: vectors})
	plain, id := s.create(creation), s.create(rag)
	if plain == id {
		t.Error("products with and without rag are one job")
	}
	if got := s.send("POST", jobsPath, rag); got.status != http.StatusOK || got.job(t)["id"] != id {
		t.Errorf("joined: got %d %s, want %d", got.status, got.body, http.StatusOK)
	}
	release()
	releaseVectors()
	last := s.follow(id, "").until(func(e seen) bool { return e.Status == "SUCCESS" })
	if *last.ProcessedCount != 7 || !last.RAG || last.EntityType != "PRODUCT" {
		t.Errorf("the last event is %s, want 7 products with rag", last.data)
	}
	await(t, products, "acme", plain)
	if got := s.send("GET", jobsPath+"/"+id+"?fields=entityType,rag", ""); got.body !=
		`{"entityType":"PRODUCT","rag":true}` {
		t.Errorf("the job is %s, want PRODUCT with rag", got.body)
	}
	for q, want := range map[string][]string{
		"entityType:PRODUCT": {id, plain}, "rag:true": {id}, "rag:missing": {plain}, "entityType:PRODUCT_RAG": {},
		"": {id, plain},
	} {
		if got := s.ids("?sort=rag:desc&q=" + q); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", q, got, want)
		}
	}
	for body, message := range map[string]string{
		`{"entityType":"CATEGORY","rag":true}`: "Unsupported rag", `{"entityType":"PRODUCT_RAG"}`: "Unsupported entityType",
		`{"entityType":"PRODUCT","rag":null}`: "Invalid rag", `{"entityType":"PRODUCT","rag":"true"}`: "Invalid rag",
	} {
		if got := s.send("POST", jobsPath, body); got.status != http.StatusBadRequest || got.message.Message != message ||
			strings.Contains(got.body, "PRODUCT_RAG") {
			t.Errorf("%s: got %d %s, want %d %s", body, got.status, got.body, http.StatusBadRequest, message)
		}
	}
	_, err := NewHandler(products, Config{Authorizer: AllowAll, RAG: products})
	if err == nil || !strings.Contains(err.Error(), "PRODUCT_RAG") {
		t.Errorf("an engine of the same type: got error %v, want one that names PRODUCT_RAG", err)
	}
}

// The older endpoint reindexes products.
func TestReindexIsForProducts(t *testing.T) {
	products, release := engineOf(t, "", 10, nil)
	categories, _ := engineOf(t, "CATEGORY", 10, nil)
	defer release()
	s := serve(t, products, Config{Engines: []Engine{categories}})
	s.post(full)
	if got := s.send("GET", jobsPath+"?fields=entityType", ""); got.body != `[{"entityType":"PRODUCT"}]` {
		t.Errorf("the jobs are %s, want one of PRODUCT", got.body)
	}
}

// The list of jobs of several engines has each job once. It has pages and a total, as the list of one engine does.
func TestPagesOfSeveralEngines(t *testing.T) {
	shared := reindex.NewJobs(0)
	for name, stores := range map[string][2]reindex.JobStore{
		"one store": {shared, shared}, "two stores": {reindex.NewJobs(0), reindex.NewJobs(0)},
	} {
		t.Run(name, func(t *testing.T) {
			products, releaseProducts := engineOf(t, "", 10, stores[0])
			categories, releaseCategories := engineOf(t, "CATEGORY", 10, stores[1])
			releaseProducts()
			releaseCategories()
			s := serve(t, products, Config{Engines: []Engine{categories}})
			var want []string // newest first
			for i := range 7 {
				body, e := creation, products
				if i%3 == 0 {
					body, e = category, categories
				}
				id := s.create(body)
				await(t, e, "acme", id)
				want = slices.Insert(want, 0, id)
			}
			if got := s.ids(""); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
			for n := range 4 {
				page := want[min(2*n, 7):min(2*n+2, 7)]
				if got := s.ids(fmt.Sprintf("?pageSize=2&pageNumber=%d", n+1)); !slices.Equal(got, page) {
					t.Errorf("page %d: got %q, want %q", n+1, got, page)
				}
			}
			if got := s.send("GET", jobsPath+"?pageSize=1", "", "X-Total-Count: true"); got.header.Get("X-Total-Count") != "7" {
				t.Errorf("got headers %v, want the total count 7", got.header)
			}
			isProduct := func(job reindex.Job) bool { return job.EntityType == reindex.EntityProduct }
			oldestFirst := func(a, b reindex.Job) int { return a.Created.Compare(b.Created) }
			jobs, total, err := engines{
				all: []Engine{products, categories},
			}.jobs(
				t.Context(),
				"acme",
				reindex.JobQuery{Match: isProduct, Compare: oldestFirst, Offset: 1, Limit: 2},
			)
			if err != nil || total != 4 || len(jobs) != 2 || jobs[0].ID != want[4] || jobs[1].ID != want[2] {
				t.Errorf("got %d of %d jobs, error %v: %+v; want the third and the fifth of 4 matches", len(jobs), total, err, jobs)
			}
		})
	}
}

// A job is found even if no engine has its type any more.
func TestForgottenEntityType(t *testing.T) {
	jobs := reindex.NewJobs(0)
	brand := reindex.Job{ID: "B1", Tenant: "acme", EntityType: "BRAND", Status: reindex.StatusPending, Expected: -1}
	if _, _, err := jobs.Create(t.Context(), brand); err != nil {
		t.Fatal(err)
	}
	products, _ := engineOf(t, "", 10, jobs)
	categories, _ := engineOf(t, "CATEGORY", 10, jobs)
	for _, further := range [][]Engine{nil, {categories}} {
		s := serve(t, products, Config{Engines: further})
		if got := s.ids(""); !slices.Equal(got, []string{"B1"}) {
			t.Errorf("got jobs %q, want B1", got)
		}
		if got := s.send("GET", jobsPath+"/B1", ""); got.status != http.StatusOK {
			t.Errorf("got %d %s, want %d", got.status, got.body, http.StatusOK)
		}
	}
}

// A list fails if one of the engines fails, since it would not be complete.
func TestOneOfSeveralEnginesFails(t *testing.T) {
	products, _ := engineOf(t, "", 10, nil)
	categories, _ := engineOf(t, "CATEGORY", 10, brokenJobs{reindex.NewJobs(0)})
	s := serve(t, products, Config{Engines: []Engine{categories}})
	for _, path := range []string{jobsPath, jobsPath + "/J1"} {
		if got := s.send("GET", path, ""); got.status != http.StatusBadRequest || got.message.Message != MessageUnavailable {
			t.Errorf("%s: got %d %s, want %d %s", path, got.status, got.body, http.StatusBadRequest, MessageUnavailable)
		}
	}
}

// brokenJobs is a store that cannot be read.
type brokenJobs struct{ reindex.JobStore }

func (brokenJobs) Get(context.Context, string, string) (reindex.Job, error) {
	return reindex.Job{}, context.DeadlineExceeded
}

func (brokenJobs) List(context.Context, string, reindex.JobQuery) ([]reindex.Job, int, error) {
	return nil, 0, context.DeadlineExceeded
}
