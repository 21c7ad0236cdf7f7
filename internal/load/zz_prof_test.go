package load
import ("testing";"context";"os";"time")
func TestProf(t *testing.T){
 cfg:=Config{URLs:[]string{os.Getenv("U")},Groups:50,Members:10,Senders:64,Window:1,Duration:10*time.Second,BodySize:80,RetryFor:time.Minute,Settle:20*time.Second}
 if os.Getenv("W")=="3" {cfg.Groups,cfg.Members,cfg.Senders,cfg.Window=1,500,1,8}
 if os.Getenv("W")=="2" {cfg.Rate=200}
 _,err:=Run(context.Background(),cfg,os.Stdout); if err!=nil{t.Fatal(err)}
}
