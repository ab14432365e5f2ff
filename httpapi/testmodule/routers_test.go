package testmodule_test

import (
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/adaptor"
	"github.com/gorilla/mux"
	"github.com/labstack/echo/v4"

	"productindex/httpapi"
)

// hello is a handler of the host. Its pattern also matches paths of the endpoints.
func hello(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }

// chi's Route adds its prefix to the patterns.
func onChi(engine httpapi.Engine, cfg httpapi.Config) (http.Handler, error) {
	r := chi.NewRouter()
	r.Get("/{shop}/{page}", hello)
	var err error
	r.Route("/api", func(api chi.Router) { err = httpapi.Mount(api, engine, cfg) })
	return r, err
}

// The method Handle of gorilla/mux has a result, which MuxFunc ignores.
func onGorilla(engine httpapi.Engine, cfg httpapi.Config) (http.Handler, error) {
	r := mux.NewRouter()
	r.HandleFunc("/{shop}/{page}", hello).Methods(http.MethodGet)
	api := r.PathPrefix("/api").Subrouter()
	err := httpapi.Mount(httpapi.MuxFunc(func(pattern string, h http.Handler) { api.Handle(pattern, h) }), engine, cfg)
	return r, err
}

// gin and echo serve the handler for all paths under /indexing.
func onGin(engine httpapi.Engine, cfg httpapi.Config) (http.Handler, error) {
	cfg.Prefix = "/api"
	h, err := httpapi.NewHandler(engine, cfg)
	if err != nil {
		return nil, err
	}
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.GET("/:shop/:page", gin.WrapF(hello))
	r.Any("/api/indexing/*path", gin.WrapH(h))
	return r, nil
}

func onEcho(engine httpapi.Engine, cfg httpapi.Config) (http.Handler, error) {
	cfg.Prefix = "/api"
	h, err := httpapi.NewHandler(engine, cfg)
	if err != nil {
		return nil, err
	}
	e := echo.New()
	e.GET("/:shop/:page", echo.WrapHandler(http.HandlerFunc(hello)))
	e.Any("/api/indexing/*", echo.WrapHandler(h))
	return e, nil
}

// http.ServeMux has patterns of the host with wildcards beside the endpoints.
func onServeMux(engine httpapi.Engine, cfg httpapi.Config) (http.Handler, error) {
	cfg.Prefix = "/api"
	r := http.NewServeMux()
	r.HandleFunc("GET /{shop}/{page}", hello)
	return r, httpapi.Mount(r, engine, cfg)
}

// http.StripPrefix removes the prefix, so that Config.Prefix is not needed.
func onStripPrefix(engine httpapi.Engine, cfg httpapi.Config) (http.Handler, error) {
	h, err := httpapi.NewHandler(engine, cfg)
	if err != nil {
		return nil, err
	}
	r := http.NewServeMux()
	r.HandleFunc("GET /acme/{page}", hello)
	r.Handle("/api/", http.StripPrefix("/api", h))
	return r, nil
}

// fiber is not an http.Handler, so this function serves its requests.
func onFiber(engine httpapi.Engine, cfg httpapi.Config) (*fiber.App, error) {
	cfg.Prefix = "/api"
	h, err := httpapi.NewHandler(engine, cfg)
	if err != nil {
		return nil, err
	}
	app := fiber.New()
	app.Use("/api/indexing", adaptor.HTTPHandler(h))
	app.Get("/:shop/:page", adaptor.HTTPHandlerFunc(hello))
	return app, nil
}
