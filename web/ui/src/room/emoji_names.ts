/* Emoji by what people type for them, in both languages. It is loaded when the first colon is typed. */
const list = `👍 thumbs up like yes good 讚 好 同意
👎 thumbs down dislike no 噓 不同意
❤️ heart love 愛心 愛
🧡 orange heart 橘心
💛 yellow heart 黃心
💚 green heart 綠心
💙 blue heart 藍心
💜 purple heart 紫心
💔 broken heart 心碎
😀 grin smile happy 笑 開心
😄 smile laugh 大笑
😁 beaming grin 露齒笑
😂 joy tears laugh 笑哭
🤣 rofl rolling laugh 笑翻
😊 blush smile 微笑
🙂 slight smile 淺笑
🙃 upside down 倒臉
😉 wink 眨眼
😍 heart eyes 愛慕
😘 kiss 飛吻
😎 cool sunglasses 墨鏡 酷
🤓 nerd 書呆子
🤔 thinking hmm 思考 想
🤨 raised eyebrow doubt 懷疑
😐 neutral 面無表情
😶 no mouth silent 無語
🙄 eye roll 翻白眼
😏 smirk 得意
😬 grimace 尷尬
😴 sleep tired 睡覺
😪 sleepy 想睡
😕 confused 困惑
😟 worried 擔心
🙁 frown sad 不開心
😮 wow open mouth 驚訝 哇
😲 astonished 震驚
😳 flushed 臉紅
🥺 pleading please 拜託
😢 cry sad 哭
😭 sob loudly crying 大哭
😱 scream fear 尖叫
😤 huff triumph 氣呼呼
😡 angry rage 生氣
😅 sweat smile 苦笑
😓 sweat 冷汗
🤯 mind blown 爆炸
🤗 hug 擁抱
🤭 giggle 偷笑
🤫 shush quiet 安靜
🤥 lying 說謊
😇 angel 天使
🥳 party 派對
🤩 star struck 星星眼
😜 tongue wink 吐舌
🤪 zany 瘋狂
🤒 sick thermometer 發燒
🤧 sneeze 打噴嚏
🥱 yawn 打哈欠
👋 wave hello bye 揮手 嗨 再見
🤚 raised back of hand 手背
✋ raised hand stop 舉手
👌 ok 好的
✌️ victory peace 勝利
🤞 fingers crossed luck 祈禱好運
👉 point right 右指
👈 point left 左指
👆 point up 上指
👇 point down 下指
👏 clap applause 鼓掌
🙌 raising hands hooray 萬歲
🙏 pray thanks please 謝謝 拜託
🤝 handshake deal 握手
💪 strong muscle 加油 肌肉
✍️ writing 寫字
🧠 brain 大腦
👀 eyes look 看
🗣️ speaking 說話
👶 baby 嬰兒
🧑‍🎓 student 學生
🧑‍🏫 teacher 老師
🧑‍🔬 scientist 科學家
🤖 robot agent 機器人
👻 ghost 鬼
🐶 dog 狗
🐱 cat 貓
🐭 mouse 老鼠
🐰 rabbit 兔子
🐻 bear 熊
🐼 panda 熊貓
🐸 frog 青蛙
🐵 monkey 猴子
🐔 chicken 雞
🐧 penguin 企鵝
🐦 bird 鳥
🦉 owl 貓頭鷹
🐝 bee 蜜蜂
🦋 butterfly 蝴蝶
🐢 turtle 烏龜
🐍 snake 蛇
🐙 octopus 章魚
🐠 fish 魚
🐬 dolphin 海豚
🐳 whale 鯨魚
🌱 seedling plant 幼苗 植物
🌲 tree 樹
🌵 cactus 仙人掌
🍀 clover luck 幸運草
🌸 blossom 櫻花
🌻 sunflower 向日葵
🍎 apple 蘋果
🍌 banana 香蕉
🍉 watermelon 西瓜
🍓 strawberry 草莓
🍞 bread 麵包
🍙 rice ball 飯糰
🍜 noodles ramen 麵
🍕 pizza 披薩
🍰 cake 蛋糕
🍪 cookie 餅乾
☕ coffee 咖啡
🍵 tea 茶
🧋 bubble tea 珍珠奶茶
🌍 earth europe africa 地球
🌏 earth asia 地球 亞洲
🌙 moon 月亮
☀️ sun 太陽
⭐ star 星星
🌈 rainbow 彩虹
☁️ cloud 雲
🌧️ rain 下雨
⛈️ storm thunder 雷雨
❄️ snow 雪
🔥 fire hot 火 熱
💧 drop water 水滴
🌊 wave sea 海浪
⚡ lightning electricity 閃電 電
🎉 party tada celebrate 慶祝 恭喜
🎈 balloon 氣球
🎁 gift 禮物
🏆 trophy 獎盃
🥇 gold medal first 金牌 第一
🎯 target bullseye 目標
🎲 dice chance 骰子
🎵 music note 音樂
🎨 art paint 美術
📷 camera 相機
📚 books 書
📖 book read 閱讀
📝 memo note 筆記
✏️ pencil 鉛筆
📏 ruler 尺
📐 triangle 三角尺
📎 paperclip 迴紋針
📌 pin 圖釘
📅 calendar date 日曆
📈 chart up 上升
📉 chart down 下降
📊 bar chart 圖表
🔍 search magnifier 搜尋
🔬 microscope 顯微鏡
🔭 telescope 望遠鏡
🧪 test tube chemistry 試管 化學
🧲 magnet 磁鐵
🧮 abacus count 算盤
💻 laptop computer 電腦
📱 phone 手機
🖨️ printer 印表機
💡 idea light bulb 點子 燈泡
🔋 battery 電池
🔌 plug 插頭
🔧 wrench tool 扳手
⚙️ gear settings 齒輪
🔒 lock 鎖
🔑 key 鑰匙
⏰ alarm clock 鬧鐘
⏳ hourglass wait 沙漏 等待
🚀 rocket 火箭
✈️ plane 飛機
🚲 bicycle 腳踏車
🚌 bus 公車
🏫 school 學校
🏠 home house 家
✅ check done yes 完成 對
❌ cross no wrong 錯
❓ question 問號 問題
❗ exclamation 驚嘆號
⚠️ warning 警告
💯 hundred 滿分
➕ plus 加
➖ minus 減
✖️ times multiply 乘
➗ divide 除
🔴 red circle 紅
🟡 yellow circle 黃
🟢 green circle 綠
🔵 blue circle 藍
🔁 repeat 重複
▶️ play 播放
⏸️ pause 暫停
⏹️ stop 停止
🆗 ok button
🆕 new 新
💬 speech message 對話
💤 zzz sleep 睡`;

export interface Emoji {
  emoji: string;
  names: string;
}
export const emojiNames: Emoji[] = list.split("\n").map((line) => {
  const at = line.indexOf(" ");
  return { emoji: line.slice(0, at), names: line.slice(at + 1) };
});
