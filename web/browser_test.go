package web_test

import (
	"context"
	"net/http"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/golang-jwt/jwt/v5"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store/storetest"
)

const (
	asked  = "Why is the sky blue?"
	answer = "Because air scatters blue light the most. What colour is it at sunset?"
	// partial is what two chunks of the scripted model say of answer.
	partial = "Because air scat"
)

// TestBrowser drives the page at / in a real browser against the whole
// program, on each database. Every tab of every test also fails on an error or
// a warning in its console, a break of its content security policy, and a
// request to any other host.
func TestBrowser(t *testing.T) {
	t.Parallel()
	browser := startBrowser(t)
	storetest.EachURL(t, func(t *testing.T, url string) {
		demo := newDemo(t, browser, url)
		rules := map[string]func(*testing.T, *site){
			"signs in, streams an answer and keeps it":  streams,
			"two people see each other":                 meets,
			"a failed turn tells staff alone why":       failsOpenly,
			"sign-out ends every socket of the session": signsOut,
			"an expired token is renewed by itself":     renews,
			"a phone shows the list or the room":        fitsPhone,
			"nothing to open is said":                   saysEmpty,
			"complaints of the browser are noticed":     notices,
		}
		for name, rule := range rules {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				rule(t, demo)
			})
		}
	})
	storetest.EachURL(t, func(t *testing.T, url string) {
		t.Run("the set-up link makes the first admin", func(t *testing.T) { setsUp(t, newSite(t, browser, url)) })
	})
	storetest.EachURL(t, func(t *testing.T, url string) {
		t.Run("a restart loses and doubles nothing", func(t *testing.T) { survives(t, newDemo(t, browser, url)) })
	})
}
