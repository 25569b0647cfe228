package signon_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/coagent-studio/coagent/app/signon"
	"github.com/coagent-studio/coagent/app/signon/signontest"
)

func at(p *signontest.Provider) *signon.Provider {
	return signon.New(signon.Config{Issuer: p.URL, ClientID: signontest.ClientID, ClientSecret: signontest.ClientSecret,
		Scopes: []string{"email", "profile"}, Transport: http.DefaultTransport, Now: time.Now})
}

func flow() signon.Flow {
	return signon.Flow{State: rand.Text(), Nonce: rand.Text(), Verifier: signon.NewVerifier(), Redirect: "https://studio.example/back"}
}

// signIn goes to the provider and back.
func signIn(t *testing.T, fake *signontest.Provider, p *signon.Provider, f, back signon.Flow) (*signon.Person, error) {
	t.Helper()
	address, err := p.Begin(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	q := fake.Visit(t, address)
	if q.Get("state") != f.State {
		t.Errorf("got state %q", q.Get("state"))
	}
	return p.Finish(t.Context(), back, q.Get("code"))
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	fake := signontest.New(t)
	p, f := at(fake), flow()
	who, err := signIn(t, fake, p, f, f)
	if err != nil || who.Subject != "ada-1" || who.Issuer != fake.URL || who.Claims["email"] != "ada@school.example" || who.IDToken == "" {
		t.Fatalf("got %+v, %v", who, err)
	}
	fake.Rotate(t) // the new key is found
	if _, err := signIn(t, fake, p, f, f); err != nil {
		t.Error(err)
	}
	if n := fake.Calls("/.well-known/openid-configuration"); n != 1 {
		t.Errorf("it was asked %d times what it is, want once", n)
	}
	if end := p.End(t.Context(), "token", "https://studio.example/"); end != fake.URL+"/logout?client_id=coagent&id_token_hint=token&post_logout_redirect_uri=https%3A%2F%2Fstudio.example%2F" {
		t.Errorf("got %q", end)
	}
	fake.Person = map[string]any{"sub": "b"}
	fake.UserInfo = map[string]any{"sub": "b", "name": "Bea"}
	if who, err := signIn(t, fake, p, f, f); err != nil || who.Claims["name"] != "Bea" {
		t.Errorf("got %+v, %v", who, err)
	}
	fake.UserInfo = map[string]any{"sub": "c", "name": "Cleo"}
	if _, err := signIn(t, fake, p, f, f); !errors.Is(err, signon.ErrToken) {
		t.Errorf("the user info of somebody else: got %v", err)
	}
}

func TestLies(t *testing.T) {
	t.Parallel()
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	lie := func(name string, value any) func(jwt.MapClaims) { return func(c jwt.MapClaims) { c[name] = value } }
	for name, set := range map[string]func(p *signontest.Provider){
		"nonce":         func(p *signontest.Provider) { p.Lie = lie("nonce", "another") },
		"no nonce":      func(p *signontest.Provider) { p.Lie = func(c jwt.MapClaims) { delete(c, "nonce") } },
		"audience":      func(p *signontest.Provider) { p.Lie = lie("aud", "another") },
		"two audiences": func(p *signontest.Provider) { p.Lie = lie("aud", []string{"coagent", "another"}) },
		"azp":           func(p *signontest.Provider) { p.Lie = lie("azp", "another") },
		"issuer":        func(p *signontest.Provider) { p.Lie = lie("iss", "https://another.example") },
		"expired":       func(p *signontest.Provider) { p.Lie = lie("exp", time.Now().Add(-time.Minute).Unix()) },
		"no sub":        func(p *signontest.Provider) { p.Lie = func(c jwt.MapClaims) { delete(c, "sub") } },
		"at_hash":       func(p *signontest.Provider) { p.Lie = lie("at_hash", "AAAA") },
		"alg none": func(p *signontest.Provider) {
			p.Sign = func(c jwt.MapClaims) string {
				text, _ := jwt.NewWithClaims(jwt.SigningMethodNone, c).SignedString(jwt.UnsafeAllowNoneSignatureType)
				return text
			}
		},
		"alg HS256 with the client's secret": func(p *signontest.Provider) {
			p.Sign = func(c jwt.MapClaims) string {
				text, _ := jwt.NewWithClaims(jwt.SigningMethodHS256, c).SignedString([]byte(signontest.ClientSecret))
				return text
			}
		},
		"another key": func(p *signontest.Provider) {
			p.Sign = func(c jwt.MapClaims) string {
				text, _ := jwt.NewWithClaims(jwt.SigningMethodRS256, c).SignedString(other)
				return text
			}
		},
		"no token": func(p *signontest.Provider) { p.Sign = func(jwt.MapClaims) string { return "" } },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := signontest.New(t)
			set(fake)
			f := flow()
			if who, err := signIn(t, fake, at(fake), f, f); !errors.Is(err, signon.ErrToken) {
				t.Errorf("got %+v, %v", who, err)
			}
		})
	}
	t.Run("another browser's verifier, and a code twice", func(t *testing.T) {
		t.Parallel()
		fake := signontest.New(t)
		p, f := at(fake), flow()
		other := f
		other.Verifier = signon.NewVerifier()
		if _, err := signIn(t, fake, p, f, other); !errors.Is(err, signon.ErrToken) {
			t.Errorf("got %v", err)
		}
		address, err := p.Begin(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		code := fake.Visit(t, address).Get("code")
		if _, err := p.Finish(t.Context(), f, code); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Finish(t.Context(), f, code); !errors.Is(err, signon.ErrToken) {
			t.Errorf("got %v", err)
		}
	})
}

func TestProviderIsDown(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"503":      func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"not JSON": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"another issuer": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"issuer":"https://another.example"}`))
		},
		"without end": func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := w.Write([]byte(strings.Repeat(" ", 1<<16))); err != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := signontest.New(t)
			fake.Answer["/.well-known/openid-configuration"] = answer
			p := at(fake)
			for range 3 {
				if _, err := p.Begin(t.Context(), flow()); err == nil || errors.Is(err, signon.ErrToken) {
					t.Errorf("got %v", err)
				}
			}
			if n := fake.Calls("/.well-known/openid-configuration"); n != 1 {
				t.Errorf("it was asked %d times within a moment, want once", n)
			}
		})
	}
	t.Run("hangs", func(t *testing.T) {
		t.Parallel()
		fake := signontest.New(t)
		done := make(chan struct{})
		t.Cleanup(func() { close(done) })
		fake.Answer["/.well-known/openid-configuration"] = func(http.ResponseWriter, *http.Request) { <-done }
		p := at(fake)
		go func() { _, _ = p.Begin(context.WithoutCancel(t.Context()), flow()) }()
		// Whoever comes meanwhile waits no longer than they want to.
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		for fake.Calls("/.well-known/openid-configuration") == 0 {
			time.Sleep(time.Millisecond)
		}
		if _, err := p.Begin(ctx, flow()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}
