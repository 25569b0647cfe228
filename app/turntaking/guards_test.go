package turntaking

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// A scene is what two agents say to each other after a person has spoken: the
// lines alternate between Ada, the teacher, and 小明, the student, and each
// calls the other. loopsAt is the line that is the first of the loop, -1 for a
// scene without one.
type scene struct {
	name    string
	lines   []string
	loopsAt int
}

// play runs a scene through decide as the room does, line after line, and
// returns the number of lines that the agents said before a guard cut them off,
// and which it was.
func play(t *testing.T, maxRow int, lines []string) (said int, guard string) {
	t.Helper()
	s := room(person("@Ada let us talk, both of you"))
	s.Agents, s.MaxStreak = cast("teacher", "student"), maxRow
	for i, text := range lines {
		s.Room.EventSeq = int64(len(s.Messages))
		speaker, other := s.Agents[i%2], s.Agents[(i+1)%2]
		d := Decide(s, func() float64 { return 0.999 })
		if d.Guard != "" {
			return i, d.Guard
		}
		if got := speaking(d); !slices.Equal(got, []string{speaker.ID}) {
			t.Fatalf("line %d: %v speak, want %s", i, got, speaker.ID)
		}
		s.Room.DecidedSeq = s.Room.EventSeq
		s.Messages = append(s.Messages, Message{Seq: s.Room.EventSeq + 1, AgentID: speaker.ID, ByAgent: true, AgentName: speaker.Name,
			Content: text + " @" + other.Name})
	}
	return len(lines), ""
}

// again repeats lines n times.
func again(n int, lines ...string) (all []string) {
	for range n {
		all = append(all, lines...)
	}
	return all
}

// The longest that a loop may go on: three repeats of what two agents say.
const mostRepeats = 3

func TestLoopsAreStopped(t *testing.T) {
	t.Parallel()
	explained := "A cell is the smallest unit of life; it has a membrane, cytoplasm and, in plants, a wall."
	answered := "So a virus is no cell, because it has none of these and needs a host."
	scenes := []scene{
		{"Thanks", again(10, "Thank you!", "You're welcome!"), 0},
		{"ThanksAfterWork", append([]string{explained, answered}, again(10, "Great point, thank you so much!", "Thanks to you too, my pleasure.")...), 2},
		{"Agree", again(10, "I agree.", "I completely agree with you."), 0},
		{"AgreeMore", append([]string{explained}, again(10, "I couldn't agree more!", "Absolutely, well said.")...), 1},
		{"Exactly", again(10, "Exactly!", "Yes, exactly.", "Indeed, that's right."), 0},
		{"Compliments", again(10, "What a wonderful idea, thank you for sharing!", "Thank you, that is a great thought as well!"), 0},
		{"Goodbyes", again(10, "Goodbye everyone!", "Bye, have a great day!"), 0},
		{"LookingForward", again(10, "Great, looking forward to working together!", "Likewise, I'm happy to help!"), 0},
		{"SameSentence", again(10, "The mitochondrion is the powerhouse of the cell."), 0},
		{"SameTwoSentences", again(10, "The mitochondrion is the powerhouse of the cell.", "Plants also have chloroplasts, which catch light."), 0},
		{"NearlyTheSame", []string{explained,
			"A cell is the smallest unit of life; it has a membrane, cytoplasm and, in plants, a wall. Right!",
			"Yes: a cell is the smallest unit of life; it has a membrane, cytoplasm and, in plants, a wall.",
			"A cell is the smallest unit of life; it has a membrane, cytoplasm and, in plants, a wall, indeed.",
			explained, explained, explained}, 1},
		{"RestatedAgreement", append([]string{"Mitochondria make the energy of cells."}, again(10, "I agree, mitochondria make energy.", "Yes, the energy of cells, exactly!")...), 1},
		{"SameQuestion", again(10, "Shall we begin with the first chapter?"), 0},
		{"QuestionAndEcho", again(10, "What do you want to do next?", "I don't know, what do you want to do next?"), 0},
		{"Waiting", again(10, "I am waiting for your answer."), 0},
		{"YourTurn", again(10, "Your turn.", "No, your turn."), 0},
		{"Emoji", again(10, "👍 Thanks!", "🙏 Thanks!"), 0},
		{"BareCalls", again(10, ""), 0},
		{"Apologies", again(10, "I apologise for the confusion, please go ahead.", "No, I apologise, please go ahead."), 0},
		{"ChineseThanks", again(10, "謝謝你!", "不客氣!"), 0},
		{"ChineseAgree", again(10, "我同意你的看法。", "對,說得很好!"), 0},
		{"ChineseCompliments", append([]string{"細胞是生命的基本單位,有細胞膜和細胞質。"}, again(10, "說得太好了,謝謝老師的分享!", "你也很棒,很高興和大家一起討論!")...), 1},
		{"SimplifiedAgree", again(10, "没错,我完全赞同。", "是的,非常感谢你的补充!"), 0},
		{"ChineseSameSentence", again(10, "粒線體是細胞的發電廠,負責製造能量。"), 0},
		{"ChineseRestated", append([]string{"粒線體負責製造能量。"}, again(10, "沒錯,粒線體製造能量。", "對,製造能量的是粒線體。")...), 1},
		{"ChineseQuestion", again(10, "我們要先從哪一章開始呢?"), 0},
		{"MixedLanguages", again(10, "謝謝 thank you!", "You're welcome 不客氣!"), 0},
	}
	for _, s := range scenes {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			said, guard := play(t, 100, s.lines)
			// A repeat is one line of each.
			if guard != GuardAgreement || said > s.loopsAt+2*mostRepeats {
				t.Errorf("got the guard %q after %d lines, want agreement after %d at most", guard, said, s.loopsAt+2*mostRepeats)
			}
			if said < s.loopsAt {
				t.Errorf("stopped after %d lines, before the loop began with line %d", said, s.loopsAt)
			}
		})
	}
	t.Run("Row", func(t *testing.T) {
		t.Parallel()
		if said, guard := play(t, 3, distinct(20)); said != 3 || guard != GuardStreak {
			t.Errorf("got %q after %d lines, want agent_row after 3", guard, said)
		}
	})
	if len(scenes) < 18 {
		t.Errorf("only %d scenes", len(scenes))
	}
}

// distinct are n lines that each say something new.
func distinct(n int) (lines []string) {
	words := strings.Fields("river mountain copper lantern violin orchard glacier harbour meadow pepper saddle thunder walnut zebra cabbage donkey engine falcon ginger hammer")
	for i := range n {
		lines = append(lines, fmt.Sprintf("The %s comes before the %s.", words[i%len(words)], words[(i+7)%len(words)]))
	}
	return lines
}

func TestLegalWorkGoesOn(t *testing.T) {
	t.Parallel()
	counting := func(form string, n int) (lines []string) {
		for i := range n {
			lines = append(lines, fmt.Sprintf(form, i+1))
		}
		return lines
	}
	scenes := []scene{
		{name: "NewSentences", lines: distinct(20)},
		{name: "CountingSteps", lines: counting("Step %d is done, here is the next one for you to check carefully.", 20)},
		{name: "CountingAlone", lines: counting("%d", 20)},
		{name: "ChessMoves", lines: []string{"e4", "e5", "Nf3", "Nc6", "Bb5", "a6", "Ba4", "Nf6", "O-O", "Be7", "Re1", "b5"}},
		{name: "QuestionsAnswered", lines: []string{"Is it an animal?", "Yes.", "Does it live in water?", "No.", "Has it four legs?", "Yes.", "Is it larger than a dog?", "Yes.", "Does it eat grass?", "Yes, exactly.", "Is it a cow?", "Yes! Well done."}},
		{name: "ThanksBetweenWork", lines: []string{"The membrane keeps things apart.", "Thanks! And the nucleus holds the plan.", "Right. The ribosomes read it.", "Great point! They build proteins from amino acids.",
			"Thank you!", "Next come the vesicles, which carry them outside.", "I agree, and the Golgi body packs them first."}},
		{name: "DebateWithCourtesy", lines: []string{"I think zoos protect rare species.", "Good point, but animals need space.", "True, yet breeding programmes saved the condor.", "I agree about the condor; what of elephants, which die young in cages?",
			"You're right about elephants. Modern parks give them forty hectares.", "Thanks. Who pays for such parks?", "Visitors and the state do.", "Then poor countries cannot follow."}},
		{name: "StoryTelling", lines: []string{"Once a fox lived by a lake.", "One morning the lake was frozen.", "The fox walked to its middle and heard a song.", "Below the ice a fish was singing.", "It sang of warm stones.",
			"The fox lay down until the ice had melted.", "Since then foxes know how to wait.", "And fish sing in winter alone."}},
		{name: "Translation", lines: []string{"How do you say 'river'?", "Fleuve or rivière.", "And 'bridge'?", "Pont.", "And 'boat'?", "Bateau.", "And 'water'?", "Eau.", "And 'sail'?", "Voile."}},
		{name: "LongTextsWithOneNewNumber", lines: counting("In round %d I put my piece on the free field of the board that is nearest to yours, and now it is your move.", 12)},
		{name: "Negotiation", lines: []string{"I offer 10 coins for the map.", "No, 20.", "12 coins.", "18.", "14 coins, and a rope.", "16 and the rope.", "15 and the rope.", "Agreed: 15 and the rope."}},
		{name: "Disagreement", lines: []string{"I don't agree with that plan.", "Why not?", "It costs too much.", "I disagree, the tools are borrowed.", "But the wood is not.", "Then let us use old crates.", "Those break in the rain.", "Not when they are painted."}},
		{name: "Review", lines: []string{"Draft: plants breathe at night.", "Not approved: they breathe all day, say so.", "Draft: plants breathe all day and make sugar in light.", "Approved, add one example.", "Example: a sunflower turns oxygen out by day.", "Fine, post it."}},
		{name: "Arithmetic", lines: []string{"3 + 4 = 7", "7 + 5 = 12", "12 + 9 = 21", "21 + 2 = 23", "23 + 8 = 31", "31 + 6 = 37", "37 + 1 = 38"}},
		{name: "OneThanksAtTheEnd", lines: []string{"The test is on Monday.", "In which room?", "In the hall.", "Thanks!"}},
		{name: "ChineseDebate", lines: []string{"我認為動物園可以保護稀有動物。", "說得有道理,但是動物需要空間。", "沒錯,不過繁殖計畫救了加州神鷲。", "我同意,可是大象在籠子裡活不久。", "現代園區給牠們四十公頃。", "誰來付這些錢?", "遊客和政府。", "那麼窮國就做不到了。"}},
		{name: "ChineseSteps", lines: counting("第 %d 步已經完成,請檢查下一步的結果。", 15)},
		{name: "ChineseQuestions", lines: []string{"它是動物嗎?", "是的。", "它住在水裡嗎?", "不是。", "它有四條腿嗎?", "是的。", "它吃草嗎?", "是的。", "它是牛嗎?", "答對了!"}},
		{name: "ChineseIdiomChain", lines: []string{"一心一意", "意氣風發", "發揚光大", "大同小異", "異想天開", "開門見山", "山明水秀", "秀外慧中"}},
		{name: "ChineseStory", lines: []string{"從前有一隻狐狸住在湖邊。", "有一天早上湖結冰了。", "狐狸走到湖中央,聽見歌聲。", "冰下有一條魚在唱歌。", "牠唱的是溫暖的石頭。", "狐狸趴下來等冰融化。"}},
		{name: "ChineseDisagreement", lines: []string{"我不同意這個計畫。", "為什麼不同意?", "費用太高。", "工具都是借來的。", "木頭要買。", "可以用舊箱子。"}},
		{name: "SimplifiedLesson", lines: []string{"叶子吸收阳光。", "对,然后制造糖分。", "根吸收水。", "谢谢!茎把水送上去。", "花吸引昆虫。", "昆虫传播花粉。"}},
		{name: "NamesAndDates", lines: []string{"Lovelace wrote it in 1843.", "Babbage built none of it.", "Turing came in 1936.", "Zuse in 1941.", "Hopper found the moth in 1947.", "Ritchie wrote C in 1972."}},
	}
	for _, s := range scenes {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			if said, guard := play(t, 100, s.lines); guard != "" {
				t.Errorf("stopped by %s after %d lines: %q", guard, said, s.lines[max(0, said-3):said])
			}
		})
	}
	if len(scenes) < 18 {
		t.Errorf("only %d scenes", len(scenes))
	}
}
