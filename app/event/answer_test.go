package event

import "testing"

func TestAnswers(t *testing.T) {
	t.Parallel()
	for want, got := range map[string][]byte{
		`{"type":"ack","client_id":"c1","id":"m1","seq":7,"dup":true}`:                           Ack{ClientID: "c1", ID: "m1", Seq: 7, Dup: true}.Frame(),
		`{"type":"ack","client_id":"c1","id":"m1","seq":7,"dup":false}`:                          Ack{ClientID: "c1", ID: "m1", Seq: 7}.Frame(),
		`{"type":"stop","turn_id":"t1","state":"running"}`:                                       Stop{TurnID: "t1", State: "running"}.Frame(),
		`{"type":"error","code":"text","detail":"is <empty>","message":""}`:                      Refusal{Code: "text", Detail: "is <empty>"}.Frame(),
		`{"type":"error","code":"text","detail":"is <empty>","message":"","client_id":"\u2028"}`: Refusal{Code: "text", Detail: "is <empty>", ClientID: "\u2028"}.Frame(),
	} {
		if string(got) != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
