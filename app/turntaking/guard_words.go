package turntaking

import "strings"

// Words of courtesy. The first list has words that alone make a message agreement or
// thanks. The second list has words that only go with them.

//nolint:gochecknoglobals // a table
var englishCourtesy = courtesyWords(
	"agree agreed agrees agreeing absolutely definitely exactly indeed precisely totally yes yeah yep sure ok okay right true correct "+
		"thanks thank thx cheers welcome pleasure grateful appreciate appreciated likewise same wonderful excellent perfect great awesome amazing fantastic "+
		"brilliant glad happy delighted sounds goodbye bye understood noted insightful",
	"i i'm i'll i've we we're you you're your yours my our it it's its is are was be been that that's this these those the a an and as so too also well "+
		"very much really truly quite just completely fully wholeheartedly entirely couldn't could more all both me us them to for with of in on at do did doing "+
		"good nice lovely point points idea thought thoughts insight insights said say saying put way again always anytime any time "+
		"no problem not mention worries help helping helpful sharing share input feedback kind words word say everyone everybody friend friends "+
		"there here have has had great day forward looking work working together team like what how hear oh ah wow haha")

//nolint:gochecknoglobals // a table
var chineseCourtesy = phrases(
	"同意 贊同 赞同 認同 认同 沒錯 没错 不錯 不错 是的 對的 对的 對 对 好的 好 謝謝 谢谢 感謝 感谢 多謝 多谢 不客氣 不客气 不會 不会 的確 的确 確實 确实 說得對 说得对 說得好 说得好 "+
		"很棒 真棒 太棒 太好 很好 真好 有道理 沒問題 没问题 收到 了解 明白 加油 辛苦 榮幸 荣幸 當然 当然 正是 精彩 完美 高興 高兴 開心 开心 支持 讚 赞 哪裡 哪里 再見 再见",
	"我 你 您 我們 我们 你們 你们 大家 的 了 啊 呀 呢 吧 哦 喔 也 很 真 太 非常 完全 十分 都 這 这 那 這個 这个 那個 那个 這樣 这样 就是 是 和 跟 與 与 "+
		"說 说 得 說法 说法 看法 想法 觀點 观点 意見 意见 建議 建议 分享 回答 回覆 回复 提醒 補充 补充 幫助 帮助 幫忙 帮忙 點 点 一點 一点 一起 老師 老师 同學 同学 再次 又 還 还 能 更 有 個 个 麼 么 地 在 "+
		"這麼 这么 那麼 那么 學習 学习 討論 讨论 期待 努力 覺得 觉得 實在 实在 最 棒 對於 对于 對你 对你 您的 你的")

// courtesyWords makes a lookup of two lists. The value is true for a word of core and
// false for a word of more; any other word is absent.
func courtesyWords(core, more string) map[string]bool {
	words := map[string]bool{}
	for w := range strings.FieldsSeq(more) {
		words[w] = false
	}
	for w := range strings.FieldsSeq(core) {
		words[w] = true
	}
	return words
}

// phraseSet holds Chinese phrases of courtesy: Chinese has no spaces between words.
type phraseSet struct {
	words   map[string]bool
	longest int
}

func phrases(core, more string) phraseSet {
	p := phraseSet{words: courtesyWords(core, more)}
	for w := range p.words {
		p.longest = max(p.longest, len([]rune(w)))
	}
	return p
}

// at returns the length in runes of the longest phrase that text begins with, or 0,
// and whether the phrase is in the core list.
func (p *phraseSet) at(text []rune) (n int, core bool) {
	for n = min(p.longest, len(text)); n > 0; n-- {
		if core, ok := p.words[string(text[:n])]; ok {
			return n, core
		}
	}
	return 0, false
}
